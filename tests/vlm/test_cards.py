"""What the judges' cards say of arithmetic and files, against the real sizes (without weights) and the stand-ins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2VLConfig, Qwen2VLModel, Qwen3VLConfig, Qwen3VLModel

from rewards.scorers import SCORERS
from rewards.scorers.qwen3_vl import SIZE_2B, SIZE_4B, SIZE_8B, Size
from rewards.tiny_world.vlm.world import write_world

HERE = [metric for metric, scorer in SCORERS.items() if scorer.card.env == "vlm"]


def counted(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops())


def layers(blocks: Any, rows: tuple[int, ...], width: int, *turn: int, **options: Any) -> int:
    """Operations of all blocks, over hidden states of ``rows`` and ``width``; ``turn``: shape of the rotation."""
    hidden, angles = torch.zeros(*rows, width, device="meta"), torch.zeros(*turn, device="meta")
    return counted(lambda: [block(hidden, position_embeddings=(angles, angles), **options) for block in blocks])


def vision(model: Any, patches: int, width: int) -> int:
    whole = torch.tensor([0, patches], dtype=torch.int32)
    head = width // model.visual.blocks[0].attn.num_heads
    return layers(model.visual.blocks, (patches,), width, patches, head, cu_seqlens=whole)


@pytest.mark.parametrize("size", [SIZE_8B, SIZE_4B, SIZE_2B], ids=lambda size: str(size.width))
def test_a_question_s_operations(size: Size) -> None:
    width, hidden, depth = size.vision
    with torch.device("meta"):
        model = Qwen3VLModel(
            Qwen3VLConfig(
                text_config={
                    "hidden_size": size.width,
                    "intermediate_size": size.hidden,
                    "num_hidden_layers": size.depth,
                    "num_attention_heads": size.queries,
                    "num_key_value_heads": 8,
                    "head_dim": 128,
                    "vocab_size": 64,
                    "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
                },
                vision_config={
                    "depth": depth,
                    "hidden_size": width,
                    "intermediate_size": hidden,
                    "num_heads": 16,
                    "out_hidden_size": size.width,
                    "deepstack_visual_indexes": [1],
                },
            )
        ).eval()
    tokens = 256 + 5 + 12 + 12 + 6
    found = (
        layers(model.language_model.layers, (1, tokens), size.width, 1, tokens, 128)
        + vision(model, 1024, width)
        + 2 * size.width * 151_936
    )
    assert size.cost(12).image == pytest.approx(found, rel=0.05)
    tables = 2 if size is SIZE_8B else 1  # the smaller ones tie their output layer to their embedding
    files = 2 * (sum(one.numel() for one in model.parameters()) + tables * size.width * 151_936)
    assert size.loading == pytest.approx(files + min(files, 5e9), rel=0.05)


def test_hpsv3_s_operations() -> None:
    with torch.device("meta"):
        model = Qwen2VLModel(
            Qwen2VLConfig(
                hidden_size=3584,
                intermediate_size=18_944,
                num_hidden_layers=28,
                vocab_size=64,
                num_attention_heads=28,
                num_key_value_heads=4,
                rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]},
                vision_config={"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16},
            )
        ).eval()
    tokens = 256 + 545 + 12
    found = layers(model.language_model.layers, (1, tokens), 3584, 3, 1, tokens, 128) + vision(model, 1024, 1280)
    cost = SCORERS["hpsv3"].card.cost
    assert cost
    assert cost(12).image == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("metric", HERE)
def test_weights_are_found_by_their_real_names_and_named_with_what_decides_numbers(metric: str, world: Path) -> None:
    scorer = SCORERS[metric]
    weights = scorer().resolve({})
    assert {weight.source for weight in weights} <= {weight.source for weight in scorer.card.weights}
    names = {weight.path.name for weight in weights}
    assert {"tokenizer.json", "chat_template.json", "preprocessor_config.json", "config.json"} <= names
    assert any(name.endswith(".safetensors") for name in names)


def test_the_stand_ins_are_small_and_the_same_bytes_every_time(world: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert sum(file.stat().st_size for file in files) < 8e6
        return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    write_world(tmp_path)
    made = digests(tmp_path)
    assert made == {name: digest for name, digest in digests(world).items() if name in made}

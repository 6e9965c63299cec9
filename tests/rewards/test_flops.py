"""Operations by formula against torch's own count, on networks of the real sizes that hold no weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rewards.flops import PROMPT_TOKENS, Cost
from rewards.scorers import SCORERS

#: BERT's and FLAN-T5's sizes as their configuration files have them.
BERT = {"vocab_size": 30_524, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
BERT |= {"num_attention_heads": 12, "max_position_embeddings": 512, "layer_norm_eps": 1e-12, "pad_token_id": 0}
T5_XL = {"d_model": 2048, "d_kv": 64, "d_ff": 5120, "num_layers": 24, "num_heads": 32}
T5_XXL = {"d_model": 4096, "d_kv": 64, "d_ff": 10_240, "num_layers": 24, "num_heads": 64}


def cost(metric: str, prompt_tokens: int = PROMPT_TOKENS) -> Cost:
    known = SCORERS[metric].card.cost
    assert known
    return known(prompt_tokens)


def counted(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops())


def ids(length: int) -> torch.Tensor:
    return torch.zeros(1, length, dtype=torch.long, device="meta")


def pixels(edge: int = 224) -> torch.Tensor:
    return torch.zeros(1, 3, edge, edge, device="meta")


def assert_near(metric: str, image: int, prompt: int) -> None:
    found = cost(metric)
    assert found.image == pytest.approx(image, rel=0.05)
    assert found.prompt == pytest.approx(prompt, rel=0.05)


def test_open_clips_vit_h() -> None:
    import open_clip

    from rewards.models.open_clip_model import encode_text

    with torch.device("meta"):
        model = open_clip.model.CLIP(**open_clip.get_model_config("ViT-H-14")).eval()
    tokens = torch.zeros(1, 77, dtype=torch.long)
    tokens[0, PROMPT_TOKENS - 1] = 49407  # meta tensors have no values: the length is read from these
    text = counted(lambda: encode_text(OnMeta(model), tokens))
    assert_near("hpsv2.1", counted(lambda: model.encode_image(pixels())), text)
    assert cost("hpsv2.0") == cost("hpsv2.1")


class OnMeta:
    """A model on the meta device that takes tokens with values."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def token_embedding(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._model.token_embedding(tokens.to("meta"))


@pytest.mark.parametrize(
    ("metric", "vision", "text", "projection"),
    [
        ("pick_score", (1280, 5120, 32, 16), (1024, 4096, 24, 16), 1024),
        ("clip_openai", (1024, 4096, 24, 16), (768, 3072, 12, 12), 768),
    ],
)
def test_transformers_clips(metric: str, vision: Any, text: Any, projection: int) -> None:
    from transformers import CLIPConfig, CLIPModel

    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes = [dict(zip(names, half, strict=True)) for half in (text, vision)]
    config = CLIPConfig(*({**half, "projection_dim": projection} for half in sizes), projection_dim=projection)
    config.vision_config.patch_size = 14
    with torch.device("meta"):
        model = CLIPModel(config).eval()
    image = counted(lambda: model.get_image_features(pixel_values=pixels()))
    assert_near(metric, image, counted(lambda: model.get_text_features(input_ids=ids(16))))
    assert cost("sciscore") == cost("pick_score")


def test_openais_tower_and_the_aesthetic_head() -> None:
    from clip.model import VisionTransformer

    from rewards.models.layers import LinearHead

    with torch.device("meta"):
        tower, head = VisionTransformer(224, 14, 1024, 24, 16, 768), LinearHead(768)
    assert_near("aesthetic", counted(lambda: head(tower(pixels()))), 0)


def test_image_rewards_blip() -> None:
    from transformers import BlipTextConfig, BlipVisionConfig

    from rewards.models.blip_reward import BlipReward

    vision = BlipVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16)
    vision.image_size, vision.patch_size = 224, 16
    text = BlipTextConfig(encoder_hidden_size=1024, is_decoder=True, **BERT)
    with torch.device("meta"):
        model = BlipReward(vision, text).eval()
    assert_near("image_reward", counted(lambda: model(pixels(), ids(35), torch.ones_like(ids(35)))), 0)


@pytest.mark.parametrize(("metric", "sizes"), [("vqa_xl", T5_XL), ("vqa", T5_XXL)])
def test_clip_flant5(metric: str, sizes: dict[str, int]) -> None:
    from transformers import CLIPVisionConfig, T5Config

    from rewards.models.clip_flant5 import ClipFlanT5

    vision = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16)
    vision.image_size, vision.patch_size = 336, 14
    config = T5Config(
        **sizes, vocab_size=32_100, feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0
    )
    config.mm_hidden_size, config.mm_vision_select_layer, config.vision = 1024, -2, vision.to_dict()
    with torch.device("meta"):
        model = ClipFlanT5(config).eval()
    after = ids(32)
    arguments = (pixels(336), ids(36)[0], after, torch.ones_like(after), ids(2)[0])
    assert_near(metric, counted(lambda: model.answer_likelihood(*arguments)), 0)


def test_jinas_towers() -> None:
    """EVA02-L by open_clip's sizes, on a gated transformer spelled out here; XLM-RoBERTa-large by transformers."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from rewards.tiny_world.remote_code.eva_model import EVAVisionTransformer, SwiGlu

    with torch.device("meta"):
        tower = EVAVisionTransformer(512, 14, 1024, 24, 16)
        for block in tower.blocks:
            block.mlp = SwiGlu(1024)
            block.mlp.w1, block.mlp.w2 = torch.nn.Linear(1024, 2730), torch.nn.Linear(1024, 2730)
            block.mlp.w3 = torch.nn.Linear(2730, 1024)
        text = XLMRobertaModel(
            XLMRobertaConfig(
                vocab_size=250_002,
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=24,
                num_attention_heads=16,
                max_position_embeddings=514,
            ),
            add_pooling_layer=False,
        ).eval()
    text_flops = counted(lambda: text(input_ids=ids(64), attention_mask=torch.ones_like(ids(64))))
    assert_near("clip_jina", counted(lambda: tower(pixels(512))), text_flops)


#: The sizes of mPLUG's text layers stand in a file of its repository that has not been seen.
UNKNOWN = {"dpg"}


def test_every_metrics_card_has_a_cost() -> None:
    known = {metric: scorer for metric, scorer in SCORERS.items() if metric not in UNKNOWN}
    assert all(cost(metric).image > 0 for metric in known)
    assert all((cost(metric).prompt > 0) == scorer.encodes_text for metric, scorer in known.items())
    assert all(SCORERS[metric].card.cost is None for metric in UNKNOWN)
    assert cost("pick_score", 5000) == cost("pick_score", 77) != cost("pick_score", 12)


def test_the_module_needs_the_standard_library_only() -> None:
    code = "import sys, rewards.flops; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

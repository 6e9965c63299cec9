"""What goes wrong without a word in an obvious port: each wrong way gives other numbers than ours.

A test that fails here after an update of transformers may mean good news: the trap is gone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoImageProcessor

from rewards.models.qwen3_vl import Qwen3VL
from rewards.scorers.soft_tifa import SoftTifa
from tests.rewards.pairs import picture
from tests.vlm.pairs import LINES, judge, probabilities
from tests.vlm.references import Generated, Hpsv3
from wire.errors import EnvironmentFailure


@pytest.fixture(scope="module")
def generated(world: Path) -> Generated:
    return Generated(SoftTifa.repo)


@pytest.fixture
def copy(world: Path, tmp_path: Path) -> Path:
    """The stand-in's folder, to be changed."""
    here = next(world.glob("hub/models--Qwen--Qwen3-VL-8B-Instruct/snapshots/*"))
    return Path(shutil.copytree(here, tmp_path / "model"))


def test_without_mask_and_cache_attention_is_cut_at_image_tokens(generated: Generated) -> None:
    inputs = generated.inputs(picture(1), "How many dogs are in the image? Answer in one word.")
    positions, _ = generated.model.model.get_rope_index(inputs["input_ids"], inputs["image_grid_thw"])

    def last(**options: Any) -> torch.Tensor:
        given = {key: value for key, value in inputs.items() if key != "attention_mask"}
        with torch.inference_mode():
            return generated.model(**given, position_ids=positions, **options).logits[0, -1].softmax(-1)

    right = generated.scores(inputs)
    mask = inputs["attention_mask"]
    assert torch.allclose(last(attention_mask=mask, use_cache=False), right, atol=1e-5)
    assert torch.allclose(last(use_cache=True), right, atol=1e-5)
    assert (last(use_cache=False) - right).abs().max() > 0.05


def test_our_positions_are_the_model_s(load: Callable[..., Any], generated: Generated) -> None:
    model = load("soft_tifa")._model
    for size in ((256, 256), (640, 400), (200, 330)):
        inputs = generated.inputs(picture(1, size), "x")
        theirs, _ = generated.model.model.get_rope_index(inputs["input_ids"], inputs["image_grid_thw"])
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        ours = model._positions(rows // 2, columns // 2)
        assert torch.equal(theirs[:, 0, : ours.shape[1]], ours)
        assert int(theirs[0, 0, ours.shape[1]]) == int(ours.max()) + 1


def test_flat_positions_in_its_place_give_other_probabilities(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load("soft_tifa")
    right = probabilities(judge(scorer, [picture(1, (512, 320))], LINES[:1]))
    flat = lambda _, high, wide: torch.arange(len(scorer._model._before) + high * wide + 1).expand(3, -1)  # noqa: E731
    monkeypatch.setattr(Qwen3VL, "_positions", flat)
    wrong = probabilities(judge(scorer, [picture(1, (512, 320))], LINES[:1]))
    assert max(abs(a - b) for a, b in zip(right, wrong, strict=True)) > 1e-3


def test_hpsv3_s_positions_are_flat_and_rows_and_columns_give_another_score(
    load: Callable[..., Any], world: Path
) -> None:
    reference, image = Hpsv3(world), picture(5)
    (found,) = judge(load("hpsv3"), [image], [{"prompt": "a photo of a bench"}])
    assert found == pytest.approx(reference(image, "a photo of a bench"), abs=1e-5)
    assert abs(found - reference(image, "a photo of a bench", flat=False)) > 1e-2


def test_image_processors_without_torchvision_overlook_the_published_sizes(copy: Path) -> None:
    small = picture(2, (200, 130))
    ours = AutoImageProcessor.from_pretrained(copy)(images=small, return_tensors="pt")["image_grid_thw"][0].tolist()
    slow = AutoImageProcessor.from_pretrained(copy, use_fast=False)(images=small, return_tensors="pt")
    assert ours == [1, 14, 20]
    assert slow["image_grid_thw"][0].tolist() == [1, 8, 12]
    assert Qwen3VL(copy, torch.float32, "cpu", "it").pixels(small).shape[:2] == (14, 20)


def test_a_repetition_penalty_would_change_the_authors_scores_and_is_refused(copy: Path, generated: Generated) -> None:
    inputs = generated.inputs(picture(1), "Is there one? Answer in one word.")
    right = generated.scores(inputs)
    file = copy / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"repetition_penalty": 1.05}), encoding="utf-8")
    penalised = Generated(str(copy)).scores(inputs)
    assert ((penalised - right).abs() / right).max() > 0.01
    with pytest.raises(EnvironmentFailure, match=r"generation_config\.json has repetition_penalty = 1\.05"):
        Qwen3VL(copy, torch.float32, "cpu", "it")


def test_the_bare_space_counts_for_every_number(load: Callable[..., Any], generated: Generated) -> None:
    """With a tokenizer that joins space and digit the sum would be another."""
    scorer, image = load("soft_tifa"), picture(1)
    inputs = generated.inputs(image, "How many dogs are in the image? Answer in one word.")
    found, encode = generated.scores(inputs), generated.processor.tokenizer.encode
    assert encode(" 3") == [*encode(" "), *encode("3")]
    five = sum(float(found[encode(text)[0]]) for text in ("three", "Three", " three", " Three", "3"))
    (outcome,) = judge(scorer, [image], [{"prompt": "x", "vqa_list": [["How many dogs are in the image?", "three"]]}])
    assert outcome.value == pytest.approx(five + float(found[encode(" ")[0]]), abs=1e-5)
    assert float(found[encode(" ")[0]]) > 1e-4


@pytest.mark.parametrize("key", ["model.visual.merger.norm.weight", "lm_head.weight"])
def test_a_missing_tensor_is_no_random_one(copy: Path, key: str) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(copy / "model.safetensors")
    del state[key]
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(EnvironmentFailure, match=r"the weights are not this model's \(1 keys missing, 0 unknown"):
        Qwen3VL(copy, torch.float32, "cpu", "it")


def test_a_template_that_does_not_put_the_image_first_is_refused(copy: Path) -> None:
    file = copy / "chat_template.json"
    file.write_text(file.read_text(encoding="utf-8").replace("<|vision_end|>", "<|vision_end|> "), encoding="utf-8")
    with pytest.raises(EnvironmentFailure, match="does not put the image right before the text"):
        Qwen3VL(copy, torch.float32, "cpu", "it")

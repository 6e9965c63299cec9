"""PickScore, SciScore and OpenAI's CLIP against transformers, as their authors' pages use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import CLIPModel, CLIPProcessor

from rewards.hub import snapshot
from rewards.scorers import SCORERS, Scorer
from tests.rewards.pairs import PROMPTS, picture, pictures, scores

#: A logit's 2e-5, over 100: the sums are the same, their shapes are not.
TOLERANCE = 2e-7


def test_pick_score_follows_its_model_cards_recipe(load: Callable[..., Scorer]) -> None:
    """One image and one prompt at a time, text padded to its own length only."""
    scorer = load("pick_score")
    processor: Any = CLIPProcessor.from_pretrained(snapshot("laion/CLIP-ViT-H-14-laion2B-s32B-b79K"))
    model: Any = CLIPModel.from_pretrained(snapshot("yuvalkirstain/PickScore_v1"), torch_dtype=torch.float32).eval()
    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 224))]
    for image, prompt, found in zip(images, PROMPTS, scores(scorer, images, PROMPTS), strict=True):
        with torch.no_grad():
            pixels = processor(images=image, return_tensors="pt")
            text = processor(text=prompt, padding=True, truncation=True, max_length=77, return_tensors="pt")
            image_unit = torch.nn.functional.normalize(model.get_image_features(**pixels))
            text_unit = torch.nn.functional.normalize(model.get_text_features(**text))
            expected = (model.logit_scale.exp() * (text_unit @ image_unit.T))[0, 0] / 100
        assert abs(found - expected) <= TOLERANCE


@pytest.mark.parametrize(
    ("metric", "repo"), [("sciscore", "Jialuo21/SciScore"), ("clip_openai", "openai/clip-vit-large-patch14")]
)
def test_scores_are_the_diagonal_of_logits_per_image(metric: str, repo: str, load: Callable[..., Scorer]) -> None:
    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 224))]
    found = scores(load(metric), images, PROMPTS)
    processor: Any = CLIPProcessor.from_pretrained(snapshot(repo))
    model: Any = CLIPModel.from_pretrained(snapshot(repo), torch_dtype=torch.float32).eval()
    inputs = processor(text=PROMPTS, images=images, padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits_per_image.diag() / 100
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_long_prompts_are_cut_to_77_tokens_with_the_end_token_kept(load: Callable[..., Scorer]) -> None:
    scorer: Any = load("pick_score")
    ids = scorer.tokens(["red " * 5000, "red"])["input_ids"]
    assert ids.shape == (2, 77)
    assert ids[0, -1] == ids[1, 2] == 49407
    same = scores(scorer, pictures(1) * 2, ["red " * 5000, "red " * 75])
    assert same[0] == same[1]


@pytest.mark.parametrize(("words", "length"), [(1, 16), (14, 16), (15, 32), (62, 64), (63, 77), (90, 77)])
def test_positions_after_the_longest_text_are_not_computed(
    words: int, length: int, load: Callable[..., Scorer]
) -> None:
    scorer: Any = load("pick_score")
    tokens = scorer.tokens(["red " * words, ""])
    assert tokens["input_ids"].shape == tokens["attention_mask"].shape == (2, length)
    assert (tokens["input_ids"][0] == 49407).any()


def test_a_tokenizer_file_of_a_newer_release_is_passed_by(load: Callable[..., Scorer]) -> None:
    """transformers 4.45 and later write merges as pairs, which tokenizers 0.19 cannot read."""
    old: Any = load("sciscore")
    path = snapshot("Jialuo21/SciScore") / "tokenizer.json"
    record = json.loads(old._tokenizer.backend_tokenizer.to_str())
    record["model"]["merges"] = [merge.split() for merge in record["model"]["merges"]]
    path.write_text(json.dumps(record), encoding="utf-8")
    new: Any = SCORERS["sciscore"]()
    try:
        new.load("cpu", "reference", {})
    finally:
        path.unlink()
    assert new._tokenizer(PROMPTS).input_ids == old._tokenizer(PROMPTS).input_ids

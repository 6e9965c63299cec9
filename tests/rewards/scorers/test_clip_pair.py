"""PickScore, SciScore and OpenAI's CLIP against transformers, as their authors' pages use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPModel, CLIPProcessor, CLIPTokenizer, CLIPTokenizerFast

from generation.suites import SUITES
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


#: What tokenizers differ on: case, blanks, accents in two forms, ligatures, entities, other scripts, marks, digits.
ODD = [
    "A PHOTO  of\ta\nBench ", "Café", "Cafe\u0301", "ﬁne &amp; quiet", "日本語 の 猫", "кот", "🐶🐶 dog",
    "it's 3,000.5% o'clock", "<|startoftext|> a <|endoftext|> b", "\u00a0\u200b", "a" * 400, "red " * 200,
]  # fmt: skip


@pytest.mark.parametrize("metric", ["pick_score", "sciscore", "clip_openai"])
def test_token_ids_are_those_of_from_pretrained(metric: str, load: Callable[..., Scorer], tmp_path: Path) -> None:
    """Of the same repository with a ``tokenizer.json`` that this release can read, and of the slow tokenizer."""
    scorer: Any = load(metric)
    folder = snapshot(scorer.tokenizer_repo)
    CLIPTokenizerFast.from_pretrained(folder).save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).unlink()
    published, slow = CLIPTokenizerFast.from_pretrained(tmp_path), CLIPTokenizer.from_pretrained(folder)
    prompts = [line["prompt"] for line in SUITES["geneval"].lines]
    options: Any = {"padding": "max_length", "truncation": True, "max_length": 77, "return_tensors": "pt"}
    for texts, references in ((prompts, (published, slow)), (ODD + PROMPTS, (published,))):
        found = scorer.tokens(texts)
        for reference in references:
            expected, length = reference(texts, **options), found["input_ids"].shape[1]
            assert torch.equal(found["input_ids"], expected["input_ids"][:, :length])
            assert torch.equal(found["attention_mask"], expected["attention_mask"][:, :length])
            assert not expected["attention_mask"][:, length:].any()


def test_special_tokens_are_those_that_the_repository_names(world: Path, tmp_path: Path) -> None:
    """An older release of OpenAI's repository pads with ``!``."""
    from rewards.scorers.clip_pair import tokenizer_of

    folder = tmp_path / "copy"
    shutil.copytree(snapshot("openai/clip-vit-large-patch14"), folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | {"pad_token": "!"}))
    ours: Any = tokenizer_of(folder)
    theirs: Any = CLIPTokenizerFast.from_pretrained(folder)
    options: Any = {"padding": "max_length", "max_length": 77}
    assert ours("a dog", **options) == theirs("a dog", **options)
    assert ours("a dog", **options)["input_ids"][-1] == ours.convert_tokens_to_ids("!")

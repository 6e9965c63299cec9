"""jina-clip-v2's loading, and its score against the remote code's own forward pass (of the stand-in)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoProcessor

from rewards.models.pinned_code import check_origin, load_pinned
from rewards.scorers import Scorer
from rewards.scorers.clip_jina import PINS
from tests.rewards.pairs import PROMPTS, picture, pictures, scores
from wire.errors import EnvironmentFailure

MODEL, CODE, TEXT, TEXT_CODE = PINS


def test_equals_logits_per_image_over_100(load: Callable[..., Scorer]) -> None:
    images = [*pictures(4), picture(7, (640, 400)), picture(8, (515, 512))]
    found = scores(load("clip_jina"), images, PROMPTS)
    options = {"revision": PINS[MODEL], "trust_remote_code": True}
    model: Any = AutoModel.from_pretrained(MODEL, torch_dtype=torch.float32, **options).eval()
    processor: Any = AutoProcessor.from_pretrained(MODEL, **options)
    inputs = processor(text=PROMPTS, images=images, padding=True, truncation=True, max_length=1024, return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"]).logits_per_image
        texts, pictured = model.encode_text(PROMPTS, max_length=1024), model.encode_image(images)
    torch.testing.assert_close(found, logits.diag() / 100, rtol=0, atol=1e-6)
    scale = model.logit_scale.exp().item() / 100
    torch.testing.assert_close(found, (texts * pictured).sum(-1) * scale, rtol=0, atol=1e-6)


@pytest.fixture
def moved_main(world: Path) -> Iterator[None]:
    """The main branches of the nested repositories have moved on, to code that must not run."""
    moved = []
    for repo, name in ((TEXT_CODE, "modeling_lora.py"), (TEXT, "config.json")):
        folder = world / "hub" / ("models--" + repo.replace("/", "--"))
        other = folder / "snapshots" / ("0" * 40)
        other.mkdir()
        for file in (folder / "snapshots" / PINS[repo]).iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        (other / name).write_text("raise RuntimeError('code of an unpinned commit ran')\n")
        moved.append(folder / "refs" / "main")
        moved[-1].write_text("0" * 40)
    yield
    for reference, repo in zip(moved, (TEXT_CODE, TEXT), strict=True):
        reference.write_text(PINS[repo])


@pytest.mark.usefixtures("moved_main")
def test_nested_repositories_are_pinned_when_their_main_moves() -> None:
    with pytest.raises((RuntimeError, OSError, ValueError)):
        AutoModel.from_pretrained(MODEL, revision=PINS[MODEL], code_revision=PINS[CODE], trust_remote_code=True)
    model, _ = load_pinned(MODEL, PINS, torch.float32)
    commits = {
        type(m).__module__.split(".")[3] for m in model.modules() if "transformers_modules" in type(m).__module__
    }
    assert commits == {PINS[CODE], PINS[TEXT_CODE]}


def test_code_from_another_commit_is_refused(world: Path) -> None:
    model, _ = load_pinned(MODEL, PINS, torch.float32)
    with pytest.raises(EnvironmentFailure, match="not from a pinned commit"):
        check_origin(model, {**PINS, TEXT_CODE: "0" * 40})


def test_the_hub_is_as_before_afterwards(world: Path) -> None:
    import huggingface_hub
    from transformers.utils import hub as transformers_hub

    before = (huggingface_hub.hf_hub_download, transformers_hub.hf_hub_download)
    load_pinned(MODEL, PINS, torch.float32)
    assert (huggingface_hub.hf_hub_download, transformers_hub.hf_hub_download) == before


def test_text_is_cut_to_1024_tokens(load: Callable[..., Scorer]) -> None:
    with torch.inference_mode():
        long, cut = load("clip_jina").encode_text(["a photo " * 5000, "a photo " * 1022])
    assert torch.equal(long, cut)

"""Images of every kind and prompts of every kind through the whole worker, each metric, each in its own company."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rewards.scorers import Scorer
from tests.rewards.jobs import Row, make_job, run_job
from tests.rewards.pairs import HERE, picture, scores
from tests.rewards.test_scorers import assert_equal_scores
from tests.wire.test_pictures import POSTSCRIPT, SAVED, avif_without_pixels, plant_ghostscript
from wire.pictures import UNKNOWN
from wire.protocol import Item

ODD_PROMPTS = {
    "5,000 characters": ("a photo of a red dog and a blue cat, " * 200)[:5000],
    "empty": "",
    "blank": " \n\t ",
    "emoji": "🐶👩‍👩‍👧 a photo of 🇫🇷 🙂🙂",
    "right to left": "صورة كلب أحمر \u202eوقطة زرقاء\u202c בית קטן",
    "braces and markup": '{} {0} <image> </s> [SEP] "Yes" <|endoftext|>',
    "control characters": "a\x00photo\x07of\ufeffa bench",
}


def deep_gray(path: Path) -> None:
    Image.fromarray(np.asarray(picture(5, (64, 64)).convert("L"), dtype=np.uint16) * 257).save(path, "PNG")


def truncated(path: Path) -> None:
    picture(9, (96, 96)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:-200])


ODD_IMAGES: dict[str, Callable[[Path], object]] = {
    "plain": lambda path: picture(1, (96, 96)).save(path, "PNG"),
    "rgba": lambda path: picture(2, (96, 96)).convert("RGBA").save(path, "PNG"),
    "palette": lambda path: picture(3, (96, 96)).convert("P").save(path, "PNG"),
    "gray": lambda path: picture(4, (96, 96)).convert("L").save(path, "PNG"),
    "16 bits": deep_gray,
    "cmyk jpeg": lambda path: picture(6, (96, 96)).convert("CMYK").save(path, "JPEG"),
    "one pixel": lambda path: picture(7, (1, 1)).save(path, "PNG"),
    "wide": lambda path: picture(8, (8000, 100)).save(path, "PNG"),
    "tall": lambda path: picture(8, (100, 8000)).save(path, "PNG"),
}
BROKEN: dict[str, Callable[[Path], object]] = {
    "truncated": truncated,
    "bomb": lambda path: Image.new("1", (30_000, 30_000)).save(path, "PNG"),
    "avif without pixels": lambda path: path.write_bytes(avif_without_pixels()),
    "no image": lambda path: path.write_bytes(b"<html>"),
    "postscript": lambda path: path.write_bytes(POSTSCRIPT),
    "gif": lambda path: path.write_bytes(SAVED["GIF"]),
}


def written(folder: Path, makers: Mapping[str, Callable[[Path], object]]) -> list[Item]:
    folder.mkdir(parents=True)
    items = []
    for index, (name, make) in enumerate(makers.items()):
        make(folder / f"{index}.png")
        digest = hashlib.sha256((folder / f"{index}.png").read_bytes()).hexdigest()
        items.append(Item(f"{index}.png", index, 0, {"prompt": f"a photo of a {name} bench"}, digest))
    return items


def values(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row["filename"], row["metric"]): row for row in rows}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_kind_of_image_is_scored_and_a_broken_one_disturbs_none(
    tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    items = written(tmp_path / "run", ODD_IMAGES | BROKEN)
    parameters = {"files": files, "metrics": HERE, "batch_size": 4, "device": "cpu"}
    rows, events = run_job(make_job(tmp_path, items, parameters))
    good = {item.filename for item in items[: len(ODD_IMAGES)]}
    assert all((row["value"] is not None) == (row["filename"] in good) for row in rows)
    assert all(math.isfinite(row["value"]) for row in rows if row["filename"] in good)
    reasons = {row["filename"]: row["error"] for row in rows if row["value"] is None}
    truncated, bomb, damaged, *others = (reasons[item.filename] for item in items[len(ODD_IMAGES) :])
    assert "image cannot be decoded" in truncated
    assert "(900000000 pixels) exceeds limit" in bomb
    assert damaged.startswith("image cannot be decoded (")
    assert others == [UNKNOWN] * 3
    assert not mark.exists()
    assert events[-1] == {
        "event": "finished",
        "rows": len(items) * len(HERE),
        "unscored": len(BROKEN) * len(HERE),
    }


ALL = pytest.mark.parametrize("metric", HERE)


@ALL
def test_every_kind_of_prompt_scores_alike_alone_and_in_company(metric: str, load: Callable[..., Scorer]) -> None:
    scorer, prompts = load(metric), list(ODD_PROMPTS.values())
    images = [picture(seed, (64, 64)) for seed in range(len(prompts))]
    together = scores(scorer, images, prompts)
    assert torch.isfinite(together).all()
    alone = torch.cat([scores(scorer, [image], [prompt]) for image, prompt in zip(images, prompts, strict=True)])
    assert_equal_scores(metric, together, alone)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Item]:
    """Six pairs with different images and prompts; without the very long one, which costs VQAScore seconds."""
    makers = {str(seed): lambda path, seed=seed: picture(seed, (64, 64)).save(path, "PNG") for seed in range(6)}
    odd = [prompt for prompt in list(ODD_PROMPTS.values())[1:] if prompt.strip()]
    return [
        dataclasses.replace(item, metadata={"prompt": odd[index % len(odd)]})
        for index, item in enumerate(written(tmp_path / "run", makers))
    ]


@ALL
def test_batch_size_order_and_duplicates_change_nothing_but_last_bits(
    metric: str, tmp_path: Path, files: Mapping[str, str], pairs: list[Item]
) -> None:
    def scored(items: list[Item], batch_size: int) -> torch.Tensor:
        (tmp_path / "cells.jsonl").unlink(missing_ok=True)
        parameters = {"files": files, "metrics": [metric], "batch_size": batch_size, "device": "cpu"}
        found = values(run_job(make_job(tmp_path, items, parameters))[0])
        return torch.tensor([found[item.filename, metric]["value"] for item in items])

    def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
        if metric.startswith("vqa"):  # its reference is bf16, whose last bits are worth 0.4 %
            torch.testing.assert_close(found, expected, rtol=0.05, atol=0)
        else:
            assert_equal_scores(metric, found, expected)

    whole = scored(pairs, 6)
    assert_close(scored(pairs, 1), whole)
    assert_close(scored(pairs, 4), whole)
    order = [4, 2, 0, 5, 1, 3]
    assert_close(scored([pairs[i] for i in order], 6), whole[order])
    twins = [dataclasses.replace(pairs[0], prompt_index=9), *pairs]
    assert_close(scored(twins, 4), torch.cat([whole[:1], whole]))

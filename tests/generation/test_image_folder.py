"""Folders of images made already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generation.checkpoint_kinds import IMAGES, describe_checkpoint
from generation.image_folder import coverage, is_image_folder
from wire.errors import UserError

PROMPTS = {index: f"prompt {index}" for index in range(8)}


def add(folder: Path, index: int, samples: int, prompt: str | None = None) -> None:
    place = folder / f"{index:05d}" / "samples"
    place.mkdir(parents=True)
    (place.parent / "metadata.jsonl").write_text(json.dumps({"prompt": prompt or PROMPTS[index]}))
    for sample in range(samples):
        (place / f"{sample:04d}.png").write_bytes(b"an image")


def test_is_told_apart_by_its_prompt_folders(tmp_path: Path) -> None:
    assert not is_image_folder(tmp_path)
    assert not is_image_folder(tmp_path / "gone")
    add(tmp_path, 0, 1)
    found = describe_checkpoint(str(tmp_path))
    assert (found.kind, found.path, found.name) == (IMAGES, tmp_path, tmp_path.name)


def test_complete_folder(tmp_path: Path) -> None:
    for index in PROMPTS:
        add(tmp_path, index, 2)
    told = coverage(tmp_path, PROMPTS, 2, "mine")
    assert told == f"{tmp_path}: 16 images of 8 prompts of suite mine; none is missing"


def test_missing_prompts_and_samples_are_named(tmp_path: Path) -> None:
    add(tmp_path, 3, 4)
    add(tmp_path, 4, 1)
    add(tmp_path, 5, 4, "something else")
    add(tmp_path, 6, 0)
    told = coverage(tmp_path, PROMPTS, 4, "mine")
    assert "9 images of 8 prompts" in told
    assert "5 without images (00000, 00001, 00002, 00006, 00007)" in told
    assert "1 with fewer than 4 images (00004)" in told
    assert "1 with another prompt than suite mine has there (00005)" in told
    assert "\n" not in told


def test_long_lists_are_shortened(tmp_path: Path) -> None:
    add(tmp_path, 7, 1)
    assert "7 without images (00000, 00001, 00002, 00003, 00004, ...)" in coverage(tmp_path, PROMPTS, 1, "mine")


def test_folder_of_another_suite(tmp_path: Path) -> None:
    add(tmp_path, 0, 1, "something else")
    assert "its prompts are not those of suite mine" in coverage(tmp_path, PROMPTS, 1, "mine")


def test_damaged_metadata_counts_as_none(tmp_path: Path) -> None:
    add(tmp_path, 0, 1)
    add(tmp_path, 1, 1)
    (tmp_path / "00001" / "metadata.jsonl").write_text("{")
    assert "another prompt" not in coverage(tmp_path, PROMPTS, 1, "mine")


def test_images_of_any_name_and_format_are_counted(tmp_path: Path) -> None:
    add(tmp_path, 0, 0)
    for name in ("img-1.png", "0000_seed42.JPG", "a.tiff", "b.bmp", "c.avif", ".d.png", "e.gif", "f.txt"):
        (tmp_path / "00000" / "samples" / name).touch()
    assert "5 images of 8 prompts" in coverage(tmp_path, PROMPTS, 1, "mine")


def test_folder_without_any_image(tmp_path: Path) -> None:
    add(tmp_path, 0, 0)
    (tmp_path / "00000" / "samples" / "0000.gif").touch()
    with pytest.raises(UserError, match="hold no images"):
        coverage(tmp_path, PROMPTS, 4, "mine")

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from harness.run.directory import RunDirectory, image_name
from wire.errors import UserError


def make(folder: Path, prompt: int, *samples: str) -> None:
    (folder / f"{prompt:05d}" / "samples").mkdir(parents=True)
    (folder / f"{prompt:05d}" / "metadata.jsonl").write_text(json.dumps({"prompt": f"prompt {prompt}"}))
    for name in samples:
        (folder / f"{prompt:05d}" / "samples" / name).write_bytes(name.encode())


def test_images_are_found_in_order_with_their_prompts_and_hashes(tmp_path: Path) -> None:
    make(tmp_path, 10, "0000.png")
    make(tmp_path, 2, "0001.jpg", "0000.webp", "grid.png", "notes.txt")
    (tmp_path / "report").mkdir()
    items = RunDirectory(tmp_path).scan()
    assert [item.filename for item in items] == [
        "00002/samples/0000.webp",
        "00002/samples/0001.jpg",
        "00010/samples/0000.png",
    ]
    assert [(item.prompt_index, item.sample_index, item.prompt) for item in items][1:] == [
        (2, 1, "prompt 2"),
        (10, 0, "prompt 10"),
    ]
    assert items[2].image_sha256 == hashlib.sha256(b"0000.png").hexdigest()


def test_folders_may_be_numbered_without_zeros_as_the_original_evaluator_takes_them(tmp_path: Path) -> None:
    for prompt in (10, 2, 0):
        make(tmp_path, prompt, "0.png")
        (tmp_path / f"{prompt:05d}").rename(tmp_path / str(prompt))
    make(tmp_path, 100, "0.png")
    (tmp_path / "7").write_text("a file is no folder")
    items = RunDirectory(tmp_path).scan()
    assert [(item.prompt_index, item.filename) for item in items] == [
        (0, "0/samples/0.png"),
        (2, "2/samples/0.png"),
        (10, "10/samples/0.png"),
        (100, "00100/samples/0.png"),
    ]


def test_two_folders_of_one_number_are_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path, 1, "0.png")
    (tmp_path / "00001").rename(tmp_path / "1")
    make(tmp_path, 1, "0.png")
    with pytest.raises(UserError, match="folders '00001' and '1' are both prompt 1"):
        RunDirectory(tmp_path).listed()


def test_a_changed_image_has_another_hash(tmp_path: Path) -> None:
    make(tmp_path, 0, "0000.png")
    run = RunDirectory(tmp_path)
    before = run.scan()[0].image_sha256
    (tmp_path / image_name(0, 0)).write_bytes(b"other bytes")
    assert run.scan()[0].image_sha256 == before
    run.changed()
    assert run.scan()[0].image_sha256 != before


def test_prompts_are_written_as_upstream_does_and_must_agree(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_prompts({3: {"tag": "colors", "prompt": "a photo of a red dog"}})
    run.write_prompts({3: {"tag": "colors", "prompt": "a photo of a red dog"}})
    text = (tmp_path / "00003" / "metadata.jsonl").read_text()
    assert text == '{"tag": "colors", "prompt": "a photo of a red dog"}'
    with pytest.raises(UserError, match="another prompt than the suite's line 3"):
        run.write_prompts({3: {"prompt": "a photo of a cat"}})


def test_the_lock_is_free_again_after_use(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.locked(), pytest.raises(UserError, match="in use"), RunDirectory(tmp_path).locked():
        pass
    with run.locked():
        assert (tmp_path / "work").is_dir()

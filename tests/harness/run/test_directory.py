from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from generation.image_folder import coverage
from harness.run.directory import RunDirectory, image_name, read_metadata
from harness.stages.base import keyed_rows
from wire.errors import EnvironmentFailure, UserError
from wire.pictures import SUFFIXES


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


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".TiFF"])
def test_every_suffix_of_a_format_that_is_read_is_an_image(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, 0, f"0003{suffix}")
    make(tmp_path, 1, f"x{suffix}")
    items = RunDirectory(tmp_path).listed()
    assert [(item.filename, item.sample_index) for item in items] == [
        (f"00000/samples/0003{suffix}", 3),
        (f"00001/samples/x{suffix}", 0),
    ]


def test_beside_numbered_images_others_are_no_samples_as_for_genevals_own_evaluator(tmp_path: Path) -> None:
    """Grids, masks, thumbnails and a synchroniser's copies: each would be one more image of its prompt."""
    make(tmp_path, 0, "0000.png", "0001.png", "grid.png", "0000_mask.png", "0001 (1).png", "0000_thumb.jpg")
    run = RunDirectory(tmp_path)
    assert [item.filename[-8:] for item in run.scan()] == ["0000.png", "0001.png"]
    assert run.passed_over().startswith("ignored: 00000/samples/0000_mask.png, 00000/samples/0000_thumb.jpg, 00000/")
    told = coverage(tmp_path, {0: "prompt 0"}, 2, "mine")
    assert told.endswith(": 2 images of 1 prompts of suite mine; none is missing")


def test_a_folder_with_a_prompt_and_no_number_is_told(tmp_path: Path) -> None:
    make(tmp_path, 0, "0000.png")
    make(tmp_path, 1, "0000.png")
    (tmp_path / "00001").rename(tmp_path / "prompt_1")
    run = RunDirectory(tmp_path)
    assert len(run.scan()) == 1
    assert run.passed_over().startswith("ignored: prompt_1; expected 00000/samples/0000.png and so on, of PNG, JPEG")


@pytest.mark.parametrize(
    "numbers",
    [
        {"img-1.png": 0, "img-2.png": 1, "img-10.png": 2},
        {"0000_seed42.png": 0, "0001_seed7.png": 1},
        {"1.png": 1, "4294967295.png": 2, "9" * 200 + ".png": 3},
        {"²3.png": 0, "³.png": 1},
        {"1.5.png": 0, "1e3.png": 1, "-1.png": 2},
    ],
)
def test_names_of_digits_are_numbers_and_others_follow_in_natural_order(
    tmp_path: Path, numbers: dict[str, int]
) -> None:
    make(tmp_path, 0, *numbers)
    items = RunDirectory(tmp_path).listed()
    assert [item.filename for item in items] == [f"00000/samples/{name}" for name in sorted(numbers)]
    assert {item.filename.split("/")[-1]: item.sample_index for item in items} == numbers


@pytest.mark.parametrize(
    "names",
    [
        ("0000.png", "0000.jpg"),
        ("0000.png", "00000.png"),
        ("0.webp", "00.tiff"),
        ("a.png", "a.jpg"),
        ("1.PNG", "1.png"),
    ],
)
def test_two_files_for_one_sample_are_refused_by_name(tmp_path: Path, names: tuple[str, str]) -> None:
    make(tmp_path, 3, *names, "5.png" if names[0] != "a.png" else "b.png")
    with pytest.raises(UserError) as told:
        RunDirectory(tmp_path).scan()
    assert f"00003/samples: {', '.join(sorted(names))} are 2 files for one sample" in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_no_image_is_named_and_counted_once(tmp_path: Path) -> None:
    make(tmp_path, 0, "0000.png", "0001.gif", "notes.txt", ".DS_Store", "._0000.png", "0002.png.partial")
    make(tmp_path, 1, "0000.png", "Thumbs.db", "0001.heic")
    (tmp_path / "00001" / "samples" / "0005.png").mkdir()
    (tmp_path / "00001" / "samples" / ".ipynb_checkpoints").mkdir()
    run = RunDirectory(tmp_path)
    assert len(run.scan()) == 2
    assert run.passed_over() == (
        "ignored: 00000/samples/0001.gif, 00000/samples/notes.txt, 00001/samples/0001.heic and 2 more; "
        "expected 00000/samples/0000.png and so on, of PNG, JPEG, WebP, BMP, TIFF, AVIF"
    )
    run.listed()
    assert run.passed_over() == ""


def test_a_folder_without_any_image_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, 0, "0000.gif")
    (tmp_path / "00001").mkdir()
    (tmp_path / "00001" / "metadata.jsonl").write_text('{"prompt": "a dog"}')
    (tmp_path / "00001" / "0000.png").touch()
    with pytest.raises(UserError, match=r"hold no images; ignored: 00000/samples/0000\.gif, 00001/0000\.png; expected"):
        RunDirectory(tmp_path).scan()


def test_a_row_of_an_image_that_has_another_number_now_is_made_anew(tmp_path: Path) -> None:
    make(tmp_path, 0, "a.png", "c.png")
    rows = [
        {"filename": item.filename, "image_sha256": item.image_sha256, "sample_index": item.sample_index}
        for item in RunDirectory(tmp_path).scan()
    ]
    (tmp_path / "00000" / "samples" / "b.png").touch()
    assert list(keyed_rows(rows, RunDirectory(tmp_path).scan())) == ["00000/samples/a.png"]


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


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 40, b'{"tag": "colors", "prom', b"[]", b"7", b'{"prompt": 7}', b'{"tag": "colors"}', b"\xff",
     b'{"prompt": "\\ud800"}', b"[" * 100_000, b'{"prompt": "a", "n": ' + b"9" * 400 + b"}"],
)  # fmt: skip
def test_damaged_prompts_are_written_anew(tmp_path: Path, content: bytes) -> None:
    """The suite knows them; a folder whose prompt can be read, and is another, is somebody's."""
    line = {"tag": "colors", "prompt": "a photo of a red dog"}
    path = tmp_path / "00003" / "metadata.jsonl"
    RunDirectory(tmp_path).write_prompts({3: line})
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"metadata\.jsonl:1: .*put the prompt's line of the suite there"):
        read_metadata(path)
    RunDirectory(tmp_path).write_prompts({3: line})
    assert json.loads(path.read_text()) == line


@pytest.mark.parametrize("kind", ["folder", "dead link"])
def test_a_lock_s_holder_that_is_no_file_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "work").mkdir()
    holder = tmp_path / "work" / "holder"
    holder.mkdir() if kind == "folder" else holder.symlink_to(tmp_path / "work" / "nowhere" / "x")
    with pytest.raises(EnvironmentFailure, match=r"cannot be written .*holder"), RunDirectory(tmp_path).locked():
        pass


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_of_prompts_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "00003" / "metadata.jsonl"
    path.parent.mkdir()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(UserError, match="not a file"):
        RunDirectory(tmp_path).write_prompts({3: {"prompt": "a"}})
    assert not path.is_file()


def test_the_lock_is_free_again_after_use(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.locked(), pytest.raises(UserError, match="in use"), RunDirectory(tmp_path).locked():
        pass
    with run.locked():
        assert (tmp_path / "work").is_dir()

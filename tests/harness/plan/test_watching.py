from __future__ import annotations

import contextlib
import time
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from harness.plan.watching import settled_checkpoints
from wire.errors import UserError

SETTLE = 0.05


def archive(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", path.name)
    return path


def looks(steps: list[Callable[[], object]]) -> Callable[[float], None]:
    """A wait in which the next thing happens to the folder; the watch ends when there is none left."""
    left = iter(steps)

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        try:
            next(left)()
        except StopIteration:
            raise TimeoutError from None

    return wait


def seen(folder: Path, *steps: Callable[[], object]) -> list[list[str]]:
    found = []
    with contextlib.suppress(TimeoutError):  # the watch itself never ends
        for paths in settled_checkpoints(folder, SETTLE, looks([*steps, *([lambda: None] * 4)])):
            found.append([path.name for path in paths])  # noqa: PERF401 - it ends by an exception
    return found


def test_whole_checkpoints_are_given_once_in_natural_order(tmp_path: Path) -> None:
    for step in (10, 9):
        archive(tmp_path / f"step={step}.ckpt")
    assert seen(tmp_path) == [["step=9.ckpt", "step=10.ckpt"]]


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    whole = archive(tmp_path / "elsewhere").read_bytes()
    partial = tmp_path / "step=1.ckpt"
    partial.write_bytes(whole[:20])
    assert seen(tmp_path) == []
    assert seen(tmp_path, lambda: partial.write_bytes(whole)) == [["step=1.ckpt"]]


def test_a_checkpoint_that_appears_later_is_found_in_a_subfolder_too(tmp_path: Path) -> None:
    assert seen(tmp_path, lambda: archive(tmp_path / "checkpoints" / "step=2.ckpt")) == [["step=2.ckpt"]]


def test_a_checkpoint_that_is_written_anew_is_given_again(tmp_path: Path) -> None:
    path = archive(tmp_path / "step=1.ckpt")
    again = [lambda: None, lambda: None, lambda: path.write_bytes(archive(tmp_path / "other").read_bytes())]
    assert seen(tmp_path, *again) == [["step=1.ckpt"], ["step=1.ckpt"]]


def test_what_training_rewrites_all_the_time_is_passed_over(tmp_path: Path) -> None:
    for name in ("last.ckpt", "last-v1.ckpt", "latest.ckpt", "best.ckpt"):
        archive(tmp_path / name)
    assert seen(tmp_path) == [["best.ckpt"]]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        list(islice(settled_checkpoints(tmp_path / "none", SETTLE), 1))

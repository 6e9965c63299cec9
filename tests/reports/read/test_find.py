"""Runs by folder, pattern, list and checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.read.find import find_runs
from tests.reports.builders import SMALL, sweep, write_rows
from wire.errors import UserError


def runs_in(folder: Path, *names: str) -> Path:
    for name in names:
        write_rows(folder / name / "results.jsonl", sweep(SMALL))
    return folder


def names(*inputs: Path) -> list[str]:
    return [source.name for source in find_runs(inputs)]


def test_a_folder_of_runs_in_natural_order(tmp_path: Path) -> None:
    runs_in(tmp_path, "step=10", "step=9")
    (tmp_path / "notes").mkdir()
    assert names(tmp_path) == ["step=9", "step=10"]


def test_a_folder_of_checkpoint_folders(tmp_path: Path) -> None:
    runs_in(tmp_path / "geneval_images", "a", "b")
    assert names(tmp_path) == ["a", "b"]


def test_a_run_is_not_looked_into(tmp_path: Path) -> None:
    runs_in(runs_in(tmp_path, "run"), "run/other")
    assert names(tmp_path / "run") == ["run"]


def test_a_pattern_and_a_list_name_each_run_once(tmp_path: Path) -> None:
    runs_in(tmp_path, "b", "a", "c")
    assert names(tmp_path / "c", tmp_path / "[abc]", tmp_path / "a") == ["c", "a", "b"]


def test_checkpoints_stand_for_the_runs_beside_them(tmp_path: Path) -> None:
    for step in (9, 10):
        (tmp_path / f"step={step}.ckpt").touch()
        runs_in(tmp_path / "geneval_images", f"step={step}")
    assert names(tmp_path / "*.ckpt") == ["step=9", "step=10"]


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    for path, message in (
        (tmp_path / "x*", "the pattern matches nothing"),
        (tmp_path / "last.ckpt", r"no run of this checkpoint at .*geneval_images/last; `miro-eval all"),
        (tmp_path / "absent", "no such file or run directory"),
    ):
        with pytest.raises(UserError, match=message):
            find_runs([path])

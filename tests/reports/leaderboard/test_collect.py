from __future__ import annotations

from pathlib import Path

import pytest

from reports.leaderboard.collect import collect
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import RunSource, find_run
from tests.reports.builders import SMALL, sweep, write_rows
from wire.errors import UserError


def sources(folder: Path, count: int = 5) -> list[RunSource]:
    for place in range(count):
        write_rows(folder / f"run{place}" / "results.jsonl", sweep(SMALL | {"position": (place, 8)}))
    return [find_run(folder / f"run{place}") for place in range(count)]


def test_side_by_side_gives_the_same(tmp_path: Path) -> None:
    runs = sources(tmp_path)
    boards = []
    for processes in (1, 2):
        (tmp_path / str(processes)).mkdir()
        collected = collect(runs, tmp_path / str(processes), processes)
        assert [one.summary.name for one in collected] == [f"run{place}" for place in range(5)]
        boards.append(make_leaderboard([one.summary for one in collected]).frame)
        assert all(one.images.path.read_bytes().count(b"\n") == 48 for one in collected)
    assert boards[0].equals(boards[1])


def test_the_first_fault_is_told(tmp_path: Path) -> None:
    runs = sources(tmp_path)
    for place in (3, 2):
        (tmp_path / f"run{place}" / "results.jsonl").write_text('{"filename": 1}\n')
    (tmp_path / "parts").mkdir()
    with pytest.raises(UserError, match=r"run2/results.jsonl:1: "):
        collect(runs, tmp_path / "parts", 2)

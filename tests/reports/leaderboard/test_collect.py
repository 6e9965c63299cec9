from __future__ import annotations

from dataclasses import replace
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
        collected, notes = collect(runs, tmp_path / str(processes), processes)
        assert notes == ()
        assert [one.summary.name for one in collected] == [f"run{place}" for place in range(5)]
        boards.append(make_leaderboard([one.summary for one in collected]).frame)
        assert all(one.images.path.read_bytes().count(b"\n") == 48 for one in collected)
    assert boards[0].equals(boards[1])


def test_the_first_fault_is_told(tmp_path: Path) -> None:
    runs = sources(tmp_path)
    for place in (3, 2, 0):
        (tmp_path / f"run{place}" / "results.jsonl").write_text('{"filename": 1}\n')
    runs[0] = replace(runs[0], searched="run0")
    (tmp_path / "parts").mkdir()
    for processes in (1, 2):
        with pytest.raises(UserError, match=r"run2/results.jsonl:1: "):
            collect(runs, tmp_path / "parts", processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_runs_that_a_search_found_are_passed_over_where_they_cannot_be_read(tmp_path: Path, processes: int) -> None:
    runs = [replace(source, searched=f"x/{source.name}") for source in sources(tmp_path)]
    for place in (0, 3):
        (tmp_path / f"run{place}" / "results.jsonl").write_text('{"filename": 1}\n')
    (tmp_path / "parts").mkdir()
    found, notes = collect(runs, tmp_path / "parts", processes)
    assert [one.summary.name for one in found] == ["run1", "run2", "run4"]
    assert [note.partition(": {")[0][:36] for note in notes] == [
        "ignored: x/run0/results.jsonl:1: no ",
        "ignored: x/run3/results.jsonl:1: no ",
    ]
    with pytest.raises(UserError, match=r"nothing to report; ignored: x/run0/results\.jsonl:1: "):
        collect([runs[0]], tmp_path / "parts", processes)

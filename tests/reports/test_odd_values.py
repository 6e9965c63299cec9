"""Rows of rewards with whatever JSON can hold: every writer writes, or one line says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import report
from reports.analysis import write_analysis
from reports.analysis.track import write_track
from reports.gate.baseline import read_baseline, save_baseline
from reports.gate.compare import compare_paths
from reports.read.runs import read_run
from rewards.scorers import CARDS
from tests.reports.builders import rewards, write_rows
from tests.shared_data import shared
from wire.errors import UserError

NAMES = [
    "overall",
    "x",
    "x_low",
    "",
    "a\nb",
    "\x00",
    "=f(1)",
    "\u202e",
    "rewards.x",
    "vqa",
    "tag",
    "seed",
    "id",
    "model",
]
VALUES = [
    1e60,
    -1e60,
    5e-324,
    10**60,
    10**400,
    2**63,
    0,
    1,
    0.5,
    float("nan"),
    float("inf"),
    True,
    None,
    "x",
    "",
    [1],
    {},
]
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4), min_size=2, max_size=8)


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    scored = (rewards(place // 2, place % 2, values) for place, values in enumerate(rows))
    return write_rows(folder / "rewards.jsonl", scored).parent


def attempt(verb: Any, *arguments: Any) -> None:
    """Any error but a user's escapes."""
    try:
        verb(*arguments)
    except UserError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@settings(max_examples=8, deadline=None)
@given(ROWS)
def test_no_value_under_any_name_is_a_bug(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("odd")
    run, out = written(folder / "step=1", rows), folder / "out"
    again = written(folder / "step=2", rows[::-1])
    attempt(report, [run, again], out, (), CARDS)
    attempt(write_analysis, [run], out, CARDS)
    attempt(write_track, [run, again], out, CARDS)
    attempt(compare_paths, run, again)
    attempt(lambda: read_baseline(save_baseline(read_run(run), folder / "saved.json")))


@pytest.mark.parametrize("number", ["04", "11", "17"])
def test_every_shared_case_of_these_kinds_is_read_or_refused(number: str, tmp_path: Path) -> None:
    folder = shared(f"cases/reporting/{number}")
    found = [path for path in folder.iterdir() if path.suffix in (".json", ".jsonl", ".csv") or path.is_dir()]
    assert found
    for place, path in enumerate(found):
        attempt(report, [path], tmp_path / str(place), (), CARDS)


def test_runs_without_any_score_cannot_be_drawn(tmp_path: Path) -> None:
    runs = [written(tmp_path / f"step={step}", [{"x": None}]) for step in (1, 2)]
    with pytest.raises(UserError, match="nothing to draw"):
        write_track(runs, tmp_path)

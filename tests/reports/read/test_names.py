from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from reports import report
from reports.read.names import distinct_names, told_apart
from reports.read.runs import find_run
from tests.reports.builders import SMALL, read_leaderboard, sweep, write_rows
from wire.errors import UserError


def run_called(folder: Path, name: str) -> Path:
    write_rows(folder / "results.jsonl", sweep(SMALL))
    (folder / "run.json").write_text(json.dumps({"name": name}))
    return folder


def test_names_tell_directories_apart_as_shortly_as_can_be() -> None:
    def named(*places: str) -> list[str]:
        return distinct_names([Path(place) for place in places])

    assert named("/a/9/geneval_images/last", "/a/10/geneval_images/last") == ["9", "10"]
    assert named("/a/x", "/a/y") == ["x", "y"]
    assert named("/a/1/x", "/b/2/x") == ["a-1", "b-2"]
    assert named("/a/x", "/x") == ["a-x", "x"]


@pytest.mark.parametrize("named", [*itertools.permutations([("x/1", "last"), ("y/2", "last"), ("z/3", "x-1/last")])])
def test_a_name_made_unique_is_no_other_run_s_own(named: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    """A name from a folder may be just what another run is called: a repository's id has a slash, too."""
    folders = [run_called(tmp_path / folder, name) for folder, name in named]
    files = report(folders, tmp_path / "report")
    models = read_leaderboard(files.csv)["model"].tolist()
    assert len(set(models)) == 3
    assert "x-1/last" in models


def test_names_made_unique_stay_as_they_are(tmp_path: Path) -> None:
    names = ["last", "last", "a/last", "a/last", "last #1", "b"]
    runs = [find_run(run_called(tmp_path / str(place) / "a", name)) for place, name in enumerate(names)]
    once = told_apart(runs)
    assert len({run.name for run in once}) == len(runs)
    assert [run.name for run in told_apart(once)] == [run.name for run in once]
    assert [run.name for run in told_apart([runs[0]] * 3)] == ["last #1", "last #2", "last #3"]


def test_the_user_names_runs(tmp_path: Path) -> None:
    folders = [run_called(tmp_path / name, "last") for name in "ab"]
    first = report(folders, tmp_path / "report", names=["old", "new\x07 one"])
    assert sorted(read_leaderboard(first.csv)["model"]) == ["new one", "old"]
    again = report(folders, tmp_path / "report", names=["old", "newer"])
    assert sorted(read_leaderboard(again.csv)["model"]) == ["newer", "old"]


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["one"], r"given 1 times for 2 runs \(last, last\)"),
        (["a", "b", "c"], "given 3 times for 2 runs"),
        (["a", "a"], "each run needs a name of its own"),
        (["a", " \x07"], "each run needs a name of its own"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: list[str], part: str, tmp_path: Path) -> None:
    folders = [run_called(tmp_path / name, "last") for name in "ab"]
    with pytest.raises(UserError, match=part):
        report(folders, tmp_path / "report", names=names)
    assert not (tmp_path / "report").exists()

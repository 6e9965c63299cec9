"""Runs by folder, pattern, list and checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

import reports
from reports.analysis import write_analysis
from reports.analysis.track import write_track
from reports.read.find import find_places, find_runs
from tests.reports.builders import SMALL, sweep, write_rows
from wire.errors import UserError


def runs_in(folder: Path, *names: str) -> Path:
    for name in names:
        write_rows(folder / name / "results.jsonl", sweep(SMALL))
    return folder


def names(*inputs: Path) -> list[str]:
    return [source.name for source in find_runs(inputs)[0]]


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


def test_runs_at_every_depth_are_found(tmp_path: Path) -> None:
    runs_in(tmp_path, "b", "sd3/a", "flux/geneval_images/last", "b/ema")
    assert names(tmp_path) == ["b", "ema", "last", "a"]
    runs_in(tmp_path, "one/two/three/four")
    found = find_places([tmp_path])
    assert len(found.places) == 4
    assert found.notes == ("ignored: one/two/three/four (more than 3 levels down)",)


@pytest.mark.parametrize("search", ["", "*"])
@pytest.mark.parametrize("content", [None, "", "\n \n", '{"cut'])
def test_a_run_without_rows_is_passed_over_and_named(tmp_path: Path, search: str, content: str | None) -> None:
    runs_in(tmp_path, "a", "deep/c")
    for place in ("b", "deep/d"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "run.json").write_text("{}")
        if content is not None:
            (tmp_path / place / "results.jsonl").write_text(content)
    (tmp_path / ".hidden").mkdir()
    assert names(tmp_path / search) == ["a", "c"]
    notes = find_places([tmp_path / search]).notes
    assert notes == ("ignored: b, deep/d (no rows in results.jsonl or rewards.jsonl)",)
    with pytest.raises(UserError, match=r"b: no rows in results\.jsonl or rewards\.jsonl; run `geneval`"):
        reports.report([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def test_a_pattern_says_what_else_it_matched(tmp_path: Path) -> None:
    runs_in(tmp_path, "a")
    (tmp_path / "plots").mkdir()
    (tmp_path / "step=9.ckpt").touch()
    found = find_places([tmp_path / "*"])
    assert [place.name for place in found.places] == ["a"]
    assert found.notes == (
        "ignored: plots (no run in it)",
        "ignored: step=9.ckpt (no run of this checkpoint)",
    )


def test_many_that_are_passed_over_are_counted_and_one_that_is_named_as_well_is_not(tmp_path: Path) -> None:
    runs_in(tmp_path, "a", "w/x/y/z")
    for number in range(12):
        (tmp_path / f"e{number}").mkdir()
        (tmp_path / f"e{number}" / "results.jsonl").touch()
    (note,) = find_places([tmp_path, tmp_path / "w/x/y/z"]).notes
    assert note.startswith("ignored: e0, e1, e2, e3, e4, e5, e6, e7 and 4 more (no rows")


def test_runs_in_the_folder_of_a_run_that_is_named_are_told(tmp_path: Path) -> None:
    runs_in(tmp_path, "run", "run/ema", "run/report")
    found = find_places([tmp_path / "run"])
    assert [place.name for place in found.places] == ["run"]
    assert found.notes == ("ignored: ema (in the folder of another run that is named itself)",)


def test_nothing_but_empty_runs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "results.jsonl").touch()
    for given in (tmp_path, tmp_path / "*"):
        with pytest.raises(UserError, match=r"nothing to report in it; ignored: a \(no rows in"):
            find_places([given])


def test_a_report_says_what_was_passed_over(tmp_path: Path) -> None:
    runs_in(tmp_path / "runs", "a")
    out = tmp_path / "out"
    reports.report([tmp_path / "runs"], out)
    (tmp_path / "runs" / "_b").mkdir()
    (tmp_path / "runs" / "_b" / "run.json").write_text("{}")
    files = reports.report([tmp_path / "runs"], out)
    for file in (files.markdown, files.html, files.json):
        assert "ignored" in file.read_text(), file
    assert "\n% ignored: \\_b (no rows in" in files.latex.read_text()


FAULTS = {
    "results.jsonl": ['{"filename": 1}\n', '{"cut\n{}\n', "[]\n", '{"filename": "a", "tag": "x", "correct": 2}\n'],
    "rewards.jsonl": ['{"filename": "a", "prompt": "p"}\n', '{"filename": "a", "prompt": "p", "vqa": "x"}\n'],
    "run.json": ["[]", '{"stages": {"rewards": {"provenance": {"cards": 1}}}}', "{"],
}


@pytest.mark.parametrize(("file", "content"), [(file, text) for file, texts in FAULTS.items() for text in texts])
def test_a_run_that_cannot_be_read_is_passed_over_where_a_search_found_it(
    tmp_path: Path, file: str, content: str
) -> None:
    runs, out = runs_in(tmp_path / "runs", "a", "b"), tmp_path / "out"
    (runs / "b" / file).write_text(content)
    for search in (runs, runs / "*"):
        files = reports.report([search], out, anew=True)
        (note,) = files.leaderboard.notes
        assert note.startswith(f"ignored: b/{file}:")
        assert str(tmp_path) not in note
    for path in (files.markdown, files.html, files.json, files.latex):
        assert "ignored: b/" in path.read_text(), path
    for named in ([runs / "a", runs / "b"], [runs, runs / "b"], [runs / "[b]"]):
        with pytest.raises(UserError, match=f"b/{file}:"):
            reports.report(named, out)


def test_the_other_readers_pass_it_over_too(tmp_path: Path) -> None:
    runs, out = runs_in(tmp_path / "runs", "a", "b"), tmp_path / "out"
    (runs / "b" / "results.jsonl").write_text('{"filename": 1}\n')
    for verb in (write_analysis, write_track):
        (note,) = verb([runs], out).notes
        assert note.startswith("ignored: b/results.jsonl:1: ")
        for named in ([runs / "a", runs / "b"], [runs / "[b]"]):
            with pytest.raises(UserError, match=r"b/results\.jsonl:1: "):
                verb(named, out)


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    for path, message in (
        (tmp_path / "x*", "the pattern matches nothing"),
        (tmp_path / "last.ckpt", r"no run of this checkpoint at .*geneval_images/last; `miro-eval all"),
        (tmp_path / "absent", "no such file or run directory"),
    ):
        with pytest.raises(UserError, match=message):
            find_runs([path])


def test_what_a_link_leads_to_again_keeps_its_own_name(tmp_path: Path) -> None:
    runs_in(tmp_path, "a")
    for name, content in {"empty": "", "bad": "{\n{}\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").write_text(content)
    (tmp_path / "z-loop").symlink_to(tmp_path)
    found = find_places([tmp_path])
    assert sorted(found.searched.values()) == ["a", "bad"]
    assert found.notes == ("ignored: empty (no rows in results.jsonl or rewards.jsonl)",)

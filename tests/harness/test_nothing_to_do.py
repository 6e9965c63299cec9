"""A command that finds a run finished opens each of its files once, and makes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness.plan.open
from bench.noop import arguments, finished_run
from harness.cli.app import app
from harness.stages.registry import STAGES

PROMPTS, SAMPLES = 12, 2
#: Tells what a command opens below the run directory, and which of the heavy libraries it has imported.
WATCHED = """
import json, os, sys
run, opened = sys.argv[1], []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        name = os.path.abspath(os.fspath(arguments[0]))
        if name.startswith(run + "/"):
            opened.append(name[len(run) + 1 :])
sys.addaudithook(hook)
sys.argv = ["miro-eval", *sys.argv[2:]]
from harness.cli import _run
code = _run()
heavy = [name for name in ("pandas", "scipy", "pyarrow", "matplotlib") if name in sys.modules]
print("\\n" + json.dumps({"code": code, "opened": opened, "heavy": heavy}))
"""
#: Ours alone while a command works.
LOCK = {"work/lock", "work/holder"}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("noop") / "run"
    finished_run(run, PROMPTS, SAMPLES, 100)
    assert "pandas" in watched(run, *arguments(run, PROMPTS, SAMPLES))["heavy"]  # makes the report
    return run


@pytest.fixture
def run(reported: Path) -> Path:
    """As the command left it, but for what a test before this one has changed: that is made again."""
    again(reported)
    return reported


def watched(run: Path, *line: str) -> dict:
    command = [sys.executable, "-c", WATCHED, str(run), *line]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict = json.loads(answer.stdout.splitlines()[-1])
    assert told["code"] == 0, answer.stderr
    return told


def again(run: Path) -> str:
    answer = CliRunner().invoke(app, arguments(run, PROMPTS, SAMPLES))
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def contents(run: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, with its time."""
    files = {str(path.relative_to(run)): path for path in run.rglob("*") if path.is_file()}
    return {name: (file.stat().st_mtime_ns, file.read_bytes()) for name, file in files.items() if name not in LOCK}


def twice(opened: Counter[str]) -> set[str]:
    """What was opened more than once, but for the small files of whoever works on the run."""
    return {name for name, times in opened.items() if times > 1 and not name.startswith("work/")}


def made(run: Path) -> dict[str, bytes]:
    """What a command makes of rows, but for the records of what that was made from."""
    files = [*run.glob("report/*"), *run.glob("*_summary.json")]
    return {path.name: path.read_bytes() for path in files if path.name != "made_from.json"}


@pytest.mark.parametrize("more", [[], ["--shards", "3"]], ids=["whole", "shards"])
def test_each_file_is_opened_once_and_none_is_written(run: Path, more: list[str]) -> None:
    before = contents(run)
    told = watched(run, *arguments(run, PROMPTS, SAMPLES), *more)
    opened = Counter(told["opened"])
    assert len([name for name in opened if name.endswith(".png")]) == PROMPTS * SAMPLES
    assert len([name for name in opened if name.endswith("/metadata.jsonl")]) == PROMPTS
    assert {"run.json", "images.jsonl", "results.jsonl", "rewards.jsonl"} <= opened.keys()
    assert twice(opened) == {"report/leaderboard.json"}  # hashed, then shown
    assert told["heavy"] == []
    assert contents(run) == before


def test_of_a_folder_of_images_each_file_is_opened_once_as_well(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("report", "work", "images.jsonl", "hparams.json"))
    line = ("all", str(folder), "--limit", str(PROMPTS), "--samples", str(SAMPLES))
    watched(folder, *line)
    opened = Counter(watched(folder, *line)["opened"])
    assert twice(opened) == {"report/leaderboard.json"}


def test_a_checkpoint_is_described_once_and_each_stage_planned_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def counted(name: str, function: object) -> object:
        def count(*given: object, **named: object) -> object:
            seen[name] += 1
            return function(*given, **named)  # type: ignore[operator]

        return count

    monkeypatch.setattr(harness.plan.open, "describe_source", counted("describe", harness.plan.open.describe_source))
    for name, stage in list(STAGES.items()):
        monkeypatch.setitem(STAGES, name, replace(stage, plan=counted(name, stage.plan)))  # type: ignore[arg-type]
    again(run)
    assert seen == {"describe": 1, "generate": 1, "geneval": 1, "rewards": 1}


@pytest.mark.parametrize(
    "name", ["report/leaderboard.md", "report/scores.parquet", "report/model-index.yaml", "geneval_summary.json"]
)
@pytest.mark.parametrize("what", ["deleted", "changed"])
def test_what_was_deleted_or_changed_is_made_anew(run: Path, name: str, what: str) -> None:
    before, file = made(run), run / name
    file.unlink()
    if what == "changed":
        file.write_text("somebody else's words")
    shown = again(run)
    assert made(run) == before
    assert again(run) == shown


@pytest.mark.parametrize("record", ["report/made_from.json", "work/summaries.json"])
@pytest.mark.parametrize("text", ["", '{"from": {}, "files": 3}', None])
def test_without_a_readable_record_everything_is_made_anew(run: Path, record: str, text: str | None) -> None:
    before = (run / record).read_text()
    (run / record).unlink()
    if text is not None:
        (run / record).write_text(text)
    again(run)
    assert (run / record).read_text() == before


def test_other_rows_or_another_name_make_another_report(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    manifest = (copy / "run.json").read_text()
    (copy / "run.json").write_text(manifest.replace('"name": "model"', '"name": "renamed"'))
    assert "renamed" in again(copy)
    assert "renamed" in (copy / "geneval_summary.json").read_text()
    rows = (copy / "results.jsonl").read_text()
    (copy / "results.jsonl").write_text(rows.replace('"correct": true', '"correct": false', 5))
    before = made(copy)
    again(copy)
    assert made(copy).keys() == before.keys()
    assert made(copy)["leaderboard.csv"] != before["leaderboard.csv"]
    assert made(copy)["geneval_summary.json"] != before["geneval_summary.json"]


def test_other_code_makes_the_report_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, record = contents(run), (run / "report" / "made_from.json").read_text()
    monkeypatch.setattr("reports.made._code", lambda: "another version")
    again(run)
    assert (run / "report" / "made_from.json").read_text() != record
    assert contents(run)["report/leaderboard.csv"][0] > before["report/leaderboard.csv"][0]

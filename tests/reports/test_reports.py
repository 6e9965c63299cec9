"""The package's entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import reports
from rewards.scorers import CARDS
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import UserError


def test_import_is_light() -> None:
    code = "import sys, reports; print(sorted({'pandas', 'numpy', 'rich'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_report_writes_both_files(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL)).parent
    files = reports.report([folder, folder], tmp_path / "deep" / "out")
    assert (files.markdown.name, files.csv.name) == ("leaderboard.md", "leaderboard.csv")
    assert len(files.csv.read_text().splitlines()) == 2


def test_one_bad_input_writes_nothing(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL)).parent
    with pytest.raises(UserError, match="absent: no such file"):
        reports.report([folder, tmp_path / "absent"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no runs to report"):
        reports.report([], tmp_path / "out")


def test_summaries_in_the_run_directory(tmp_path: Path) -> None:
    write_rows(tmp_path / "results.jsonl", sweep(SMALL))
    assert [path.name for path in reports.write_summaries(tmp_path)] == ["geneval_summary.json"]
    write_rows(tmp_path / "rewards.jsonl", [rewards(0, 0), rewards(1, 0)])
    written = reports.write_summaries(tmp_path)
    geneval, scores = (json.loads(path.read_text()) for path in written)
    assert [path.name for path in written] == ["geneval_summary.json", "rewards_summary.json"]
    assert geneval["schema"] == "miro-eval/geneval_summary/1"
    assert geneval["overall"] == 0.5
    assert geneval["tags"]["single_object"]["images"] == {"value": 0.875, "correct": 7, "total": 8}
    assert geneval["coverage"]["prompts"] == {"value": 12 / 553, "correct": 12, "total": 553}
    assert geneval["coverage"]["suite"] == "unknown"
    assert scores["schema"] == "miro-eval/rewards_summary/1"
    assert scores["metrics"]["vqa"]["images"] == 2
    assert set(scores["metrics"]["vqa"]["interval"]) == {"low", "high", "standard_error", "bootstrap_standard_error"}


def test_summaries_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_rows(tmp_path / "results.jsonl", sweep(SMALL))
    first = reports.write_summaries(tmp_path)[0].read_bytes()
    write_rows(tmp_path / "results.jsonl", sweep(SMALL)[::-1])
    assert reports.write_summaries(tmp_path)[0].read_bytes() == first


def test_a_suite_without_verdicts_has_a_leaderboard_of_rewards(tmp_path: Path) -> None:
    """PartiPrompts and the like: GenEval judges none of them."""
    runs = []
    for place, name in enumerate(("a", "b")):
        run = tmp_path / name
        write_rows(run / "rewards.jsonl", [rewards(prompt, 0, {"vqa": 0.25 + place / 2}) for prompt in range(3)])
        suite = {"id": "parti", "prompts": 1632}
        (run / "run.json").write_text(json.dumps({"name": name, "protocol": {"suite": suite}}))
        runs.append(run)
    files = reports.report(runs, tmp_path / "out", cards=CARDS)
    frame = files.leaderboard.frame
    assert frame["group"].tolist() == ["no geneval"] * 2
    assert frame["rank"].isna().all()
    assert frame["suite"].tolist() == ["parti"] * 2
    head, _, first, second = files.markdown.read_text().splitlines()[4:8]
    assert head == "| rank | model | vqa | images | prompts | unscored | coverage | scored images |"
    assert first == "|  | a | 0.2500 | 3 | 3 | 0 | 3 of 1632 prompts | 3 of 1,632 |"
    assert "| b | 0.7500 |" in second
    assert "overall" not in files.latex.read_text()
    assert [run["model"] for run in json.loads(files.json.read_text())["sections"][0]["runs"]] == ["a", "b"]

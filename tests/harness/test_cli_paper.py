from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.paper import app
from tests.reports.builders import SMALL, sweep, write_rows
from wire.errors import UserError


def answer(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list() -> None:
    text = answer("list")
    assert "aesthetic 19.11, image_reward 3.46, pick_score 3.54, hpsv2.1 6.30" in text
    assert text.count("miro-no-") == 8
    assert text.count("miro-only-") == 7


@pytest.mark.parametrize("table", ["table1", "table3"])
def test_tables_with_and_without_runs(table: str, tmp_path: Path) -> None:
    assert "not measured" in answer(table)
    folder = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL)).parent
    text = answer(table, f"MIRO={folder}", "--out", tmp_path / "out")
    assert "| MIRO | overall | 57 |  |  |  | not comparable (12 of 553 prompts only) |  |" in text
    assert (tmp_path / "out" / f"{table}.md").read_text() == text
    assert (tmp_path / "out" / f"{table}.csv").read_text().startswith("model,column,printed")


def test_figures(tmp_path: Path) -> None:
    written = answer("figures", "--out", tmp_path / "figures").split()
    assert [Path(line).name for line in written] == [
        *("training.png", "best_of_n.png", "radar_rewards.png", "radar_geneval.png", "aesthetic_weight.png")
    ]


def test_reproduce_prints_commands_that_the_command_line_takes() -> None:
    lines = answer("reproduce", "--table", "table1", "--out", "runs").splitlines()
    commands = [line for line in lines if line.startswith("miro-eval")]
    assert len(commands) == 1 + 17 * 4 + 2
    assert commands[0] == "miro-eval suites fetch parti"
    assert all(line.startswith(("#", "miro-eval")) or not line for line in lines)
    with pytest.raises(UserError, match="unknown table"):
        answer("reproduce", "--table", "table9")


def test_reproduce_runs_the_commands_until_one_fails(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", sweep(SMALL))
    lines = ["# a comment", "", f"miro-eval report {rows} --out {tmp_path / 'a'}", "miro-eval report nowhere"]
    code = f"from harness.cli.paper import _run; _run({[*lines, f'miro-eval report {rows} --out never']!r})"
    script = f"import typer\ntry:\n    {code}\nexcept typer.Exit as error:\n    raise SystemExit(error.exit_code)"
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert "nowhere: no such file or run directory" in result.stderr
    assert result.stdout.startswith(f"# a comment\n\n{lines[2]}\n")
    assert (tmp_path / "a" / "leaderboard.md").exists()
    assert not (tmp_path / "never").exists()


def test_the_verb_is_light() -> None:
    code = "import sys, harness.cli.paper; print([m for m in ('numpy', 'matplotlib', 'reports') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"

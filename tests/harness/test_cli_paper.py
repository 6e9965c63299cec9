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


def test_figures_and_strips(tmp_path: Path) -> None:
    written = answer("figures", "--out", tmp_path, "--only", "fig3", "--only", "fig2", "--format", "pdf").split()
    assert [Path(line).name for line in written] == ["fig3.png", "fig3.pdf", "fig2.png", "fig2.pdf"]
    result = CliRunner().invoke(app, ["strips", "--out", str(tmp_path), "--from", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "not drawn: fig4 (Figure 4: images along training): no runs" in result.stderr
    with pytest.raises(UserError, match="fig3 is a figure, which this does not draw; choose from fig4"):
        answer("strips", "--only", "fig3")
    with pytest.raises(UserError, match="table1 is a table"):
        answer("figures", "--only", "table1")


def test_reproduce_prints_a_script_of_commands_and_comments() -> None:
    lines = answer("reproduce", "table1", "--out", "runs", "--gpus", "0,1").splitlines()
    commands = [line for line in lines if line.startswith("miro-eval")]
    assert commands[0] == "miro-eval suites fetch parti"
    assert all(line.startswith(("#", "miro-eval")) or not line for line in lines)
    assert all("--gpus 0,1" in line for line in commands[1:-1])
    assert commands[-1] == "miro-eval paper table1 --from runs --out runs/tables"
    with pytest.raises(UserError, match="no 'table9' here"):
        answer("reproduce", "table9")
    for words, said in (
        ([], "name what to reproduce"),
        (["table1", "--all"], "--all is everything: omit it, or table1"),
        (["table1", "--checkpoint", "baseline"], "--checkpoint 'baseline': expected MODEL=PATH"),
        (["fig1", *["--checkpoint", "baseline=a"] * 2], "--checkpoint baseline: given twice"),
    ):
        with pytest.raises(UserError, match=said):
            answer("reproduce", *words)


def test_a_table_from_a_folder_of_reproduce(tmp_path: Path) -> None:
    folder = tmp_path / "paper"
    with pytest.raises(UserError, match="no runs of table3 in it; make some: miro-eval paper reproduce table3 --out"):
        answer("table3", "--from", folder)
    run = folder / "geneval" / "miro-no-clip"
    write_rows(run / "results.jsonl", sweep(SMALL))
    (run / "run.json").write_text("{}")
    assert "| No CLIP | overall | 53 |  |  |  | not comparable (12 of 553 prompts only) |  |" in answer(
        "table3", "--from", folder
    )


def test_the_verb_is_light() -> None:
    code = "import sys, harness.cli.paper; print([m for m in ('numpy', 'matplotlib', 'reports') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"

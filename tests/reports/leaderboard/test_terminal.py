from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import reports
from reports.leaderboard.terminal import terminal_tables
from reports.paper.tables import paper_table, reproduce_table
from reports.read.manifest import display_name
from tests.reports.builders import SMALL, rewards, sweep, write_rows


def printed(files: reports.ReportFiles, width: int = 200) -> str:
    output = io.StringIO()
    Console(width=width, file=output).print(reports.terminal_tables(files))
    return output.getvalue()


def test_numbers_and_names(tmp_path: Path) -> None:
    write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    (tmp_path / "run" / "run.json").write_text(json.dumps({"checkpoint": "[bold]run[/bold]"}))
    text = printed(reports.report([tmp_path / "run"], tmp_path / "out"))
    assert "[bold]run[/bold]" in text
    assert "0.5000" in text
    assert "12 of 553 prompts" in text
    assert "Rewards" not in text
    assert "mean nothing" not in text


def test_rewards_and_random_weights(tmp_path: Path) -> None:
    write_rows(tmp_path / "run" / "rewards.jsonl", [rewards(0, 0, {"vqa": 0.25})])
    (tmp_path / "run" / "run.json").write_text(json.dumps({"random_weights": True}))
    text = printed(reports.report([tmp_path / "run"], tmp_path / "out"))
    assert "the scores mean nothing" in text
    assert "0.2500" in text
    assert "aesthetic" not in text


def test_numbers_stay_whole_on_80_columns(tmp_path: Path) -> None:
    write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    write_rows(tmp_path / "run" / "rewards.jsonl", [rewards(0, 0)])
    text = printed(reports.report([tmp_path / "run"], tmp_path / "out"), width=80)
    assert max(map(len, text.splitlines()[:12])) <= 80
    assert all(number in text for number in ("0.5000", "0.8750", "0.6250", "0.3750", "0.7500", "0.1250", "0.2500"))
    assert "…" not in text


METRICS = ("single_object", "two_object", "counting", "color_attr", "clip_jina", "image_reward", "pick_score")


@pytest.mark.parametrize(("width", "turned"), [(80, True), (120, False), (200, False)])
@pytest.mark.parametrize("runs", [1, 2])
def test_no_word_is_broken_and_metrics_are_rows_where_columns_do_not_fit(
    tmp_path: Path, width: int, turned: bool, runs: int
) -> None:
    for run in range(runs):
        write_rows(tmp_path / f"run{run}" / "results.jsonl", sweep(SMALL))
        write_rows(tmp_path / f"run{run}" / "rewards.jsonl", [rewards(0, 0)])
    lines = printed(reports.report([tmp_path], tmp_path / "out"), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(any(metric in line.split() for line in lines) for metric in METRICS)
    assert any(line.startswith("single_object ") for line in lines) == turned
    assert any(line.split()[:2] == ["run0", "0.5000"] for line in lines) != turned


def test_many_runs_on_80_columns_keep_their_names_in_rows(tmp_path: Path) -> None:
    for run in range(12):
        write_rows(tmp_path / f"checkpoint-{run:02d}" / "results.jsonl", sweep(SMALL))
    lines = printed(reports.report([tmp_path], tmp_path / "out"), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("checkpoint-07 ") for line in lines) == 2
    assert all(any(metric in line.split() for line in lines) for metric in METRICS[:4])


def test_a_note_stands_once_and_its_path_whole(tmp_path: Path) -> None:
    for run in range(3):
        write_rows(tmp_path / f"run{run}" / "results.jsonl", sweep(SMALL))
    board = json.loads(reports.report([tmp_path], tmp_path / "out").json.read_text())
    path = "/a-folder-with-a-long-name" * 4
    board["notes"] = [f"a note on a file: {path}/results.jsonl has other rows than it had when it was written"]
    output = io.StringIO()
    Console(width=80, file=output).print(terminal_tables(board), crop=False)
    assert output.getvalue().count("incomplete sweep") == 1
    assert f"\n{path}/results.jsonl\n" in output.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("key", ["table1", "table3"])
def test_the_paper_s_tables_fit_and_break_no_word(key: str, width: int) -> None:
    output = io.StringIO()
    Console(width=width, file=output).print(paper_table(reproduce_table(key, [])))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    table = [line for line in lines if line.startswith("model ")]
    assert len(table) == {80: 3, 100: 2, 120: 2, 200: 1}[width]
    assert {"single_object", "color_attr", "image_reward", "pick_score"} <= {
        word for line in table for word in line.split()
    }
    assert sum(line.startswith("[1] ") for line in lines) == 1


def test_the_paper_s_table_beside_a_run(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL)).parent
    output = io.StringIO()
    Console(width=100, file=output).print(paper_table(reproduce_table("table1", [f"MIRO={folder}"])))
    assert "MIRO: 12 of 553 prompts only; not compared: overall, single_object," in output.getvalue()


NAMES = ("::stop-commands::x", "a ::error::y", "##[group]z", "[/b]", "[bold]", "\x1b[2J")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_name_commands_githubs_log_or_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    for place, name in enumerate(NAMES):
        run = tmp_path / str(place)
        write_rows(run / "rewards.jsonl", [rewards(number, 0, {name: 0.25 + number}) for number in range(2)])
        (run / "run.json").write_text(json.dumps({"name": name}))
    files = reports.report([tmp_path], tmp_path / "out")
    assert all(display_name(name) in printed(files) for name in NAMES)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    text = printed(files, width)
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert "\x1b" not in text

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import reports
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

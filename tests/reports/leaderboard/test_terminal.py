from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

import reports
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

"""Metrics over a prompt's images together: never compared, ranked or judged between other numbers of samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from reports.compare.comparison import compare
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import Run, read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import rewards, write_rows
from wire.cards import card_of, read_cards, records
from wire.errors import UserError


def run_of(folder: Path, samples: int, better: float = 0.0) -> Run:
    values = {"vendi_dinov2": 1.5, "diversity_dinov2": 0.25, "image_reward": 0.5}
    rows = [
        rewards(prompt, sample, {name: value + 0.01 * prompt + better for name, value in values.items()})
        for prompt in range(6)
        for sample in range(samples)
    ]
    write_rows(folder / "rewards.jsonl", rows)
    (folder / "run.json").write_text(json.dumps({"name": folder.name, "protocol": {"samples": samples}}))
    return read_run(folder, CARDS)


def test_the_card_says_so_and_takes_it_along() -> None:
    again = read_cards(json.loads(json.dumps(records(CARDS))))
    assert [metric for metric, card in again.items() if card.over_samples] == [
        *("diversity_dinov2", "vendi_dinov2", "diversity_clip", "vendi_clip")
    ]
    assert not card_of("unknown", again).over_samples
    old = CARDS["vqa"].record()
    del old["over_samples"]
    assert read_cards({"vqa": old}) == {"vqa": CARDS["vqa"]}


def test_runs_of_as_many_samples_are_compared(tmp_path: Path) -> None:
    lines = compare(run_of(tmp_path / "a", 4), run_of(tmp_path / "b", 4, better=0.1)).metrics
    assert {line.metric: round(line.paired.difference, 9) for line in lines} == {
        "image_reward": 0.1, "diversity_dinov2": 0.1, "vendi_dinov2": 0.1,
    }  # fmt: skip


def test_others_are_not_and_it_is_said(tmp_path: Path) -> None:
    found = compare(run_of(tmp_path / "a", 4), run_of(tmp_path / "b", 2))
    assert [line.metric for line in found.metrics] == ["image_reward"]
    told = "not compared, it depends on the samples of a prompt: 4 and 2"
    assert f"diversity_dinov2, vendi_dinov2: {told}" in found.notes


def test_the_leaderboard_marks_them_apart(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a", 4), run_of(tmp_path / "b", 4), run_of(tmp_path / "c", 2)]
    frame = make_leaderboard([summarise_run(run) for run in runs], across=["samples"]).frame
    protocols = dict(zip(frame["model"], frame["protocol"], strict=True))
    assert protocols["a"] == protocols["b"] != protocols["c"]


def test_a_gate_on_them_is_refused(tmp_path: Path) -> None:
    run_of(tmp_path / "a", 4)
    run_of(tmp_path / "b", 2)
    policy = tmp_path / "gate.toml"
    policy.write_text('may_differ = ["samples"]\n[metrics.vendi_dinov2]\nmargin = 0.1\n')
    words = ["check", tmp_path / "b", "--baseline", tmp_path / "a", "--policy", policy]
    with pytest.raises(UserError, match=r"vendi_dinov2: cannot be judged, it depends on the samples .*: 4 and 2"):
        CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)

"""Values that a metric cannot have: another scale, a failed scorer's sentinel. Told everywhere, judged nowhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from reports.leaderboard.sections import sections
from reports.leaderboard.table import make_leaderboard
from reports.paper.measured import measure
from reports.paper.printed import printed_table
from reports.read.runs import read_run
from reports.read.suite import PARTI_DIGEST
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import rewards, write_rows
from wire.errors import UserError

#: A usual value of each built-in metric.
USUAL = dict.fromkeys(CARDS, 0.25) | {"aesthetic": 5.5, "image_reward": 0.6, "vqa": 0.7, "vqa_xl": 0.7}
USUAL |= {
    "vendi_dinov2": 2.0,
    "vendi_clip": 2.0,
    "hpsv3": 6.0,
    "unified_reward": 3.0,
    "unified_reward_4b": 3.0,
    "unified_reward_2b": 3.0,
}
#: What a failed scorer may write, where -10 is possible: the mark of reward hacking.
SENTINELS = {"hpsv3": 15.5}


def scored(path: Path, metric: str, value: float, first: float | None = None) -> Path:
    """A file of twelve prompts' values about one value; the first prompt's may be another."""
    values = [value * (1 + 0.001 * prompt) for prompt in range(12)]
    values[0] = values[0] if first is None else first
    return write_rows(path, (rewards(prompt, 0, {metric: value}) for prompt, value in enumerate(values)))


def policy(path: Path, metric: str, more: str = "") -> Path:
    path.write_text(f'{more}\n[metrics."{metric}"]\nmargin = {USUAL[metric]}\n')
    return path


def verb(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


#: Metrics without an upper bound have no value that is too large.
DAMAGES = [(m, d) for m in CARDS for d in ("times 100", "one sentinel") if d != "times 100" or CARDS[m].range[1]]


@pytest.mark.parametrize(("metric", "damage"), DAMAGES)
def test_it_is_said_bears_no_mark_and_is_not_judged(metric: str, damage: str, tmp_path: Path) -> None:
    value = USUAL[metric]
    good = scored(tmp_path / "good.jsonl", metric, value)
    second = scored(tmp_path / "second.jsonl", metric, 0.9 * value)
    bad = scored(tmp_path / "bad.jsonl", metric, 100 * value) if damage == "times 100" else None
    bad = bad or scored(tmp_path / "bad.jsonl", metric, 1.1 * value, first=SENTINELS.get(metric, -10.0))
    board = make_leaderboard([summarise_run(read_run(path, CARDS)) for path in (bad, good, second)])
    (section,) = sections(board)
    marks = {row["model"]: mark.get(metric) for row, mark in zip(section.rows, section.marks, strict=True)}
    # without GenEval 2's suite soft_tifa is of an incomplete sweep, which bears no marks
    usual = (None, None) if metric == "soft_tifa" else ("best", "second")
    assert marks == {"bad": None, "good": usual[0], "second": usual[1]}
    notes = dict(zip(board.frame["model"], board.frame["notes"], strict=True))
    count = 12 if damage == "times 100" else 1
    text = f"{metric}: values outside {CARDS[metric].bounds}, the range that its card states: {count}"
    assert text in notes["bad"]
    assert "outside" not in notes["good"]
    rules = policy(tmp_path / "gate.toml", metric)
    for candidate, baseline in ((bad, good), (good, bad)):
        with pytest.raises(UserError, match=r"bad: .*outside .* set outside_range = \"judge\""):
            verb("check", candidate, "--baseline", baseline, "--policy", rules)
    policy(rules, metric, 'outside_range = "judge"')
    assert text in verb("check", bad, "--baseline", good, "--policy", rules) + verb("compare", bad, good)


def test_what_is_watched_is_told_and_not_refused(tmp_path: Path) -> None:
    rows = [rewards(prompt, 0, {"vqa": 0.5, "pick_score": 22.0}) for prompt in range(6)]
    run = write_rows(tmp_path / "run.jsonl", rows)
    said = verb("check", run, "--baseline", run, "--policy", policy(tmp_path / "gate.toml", "vqa"))
    assert "pick_score: values outside -1 to 1" in said


def test_random_weights_have_any_value(tmp_path: Path) -> None:
    scored(tmp_path / "rewards.jsonl", "vqa", 5.0)
    (tmp_path / "run.json").write_text(json.dumps({"random_weights": True}))
    summary = summarise_run(read_run(tmp_path, CARDS))
    assert summary.outside == frozenset()


def test_the_papers_tables_leave_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.paper.measured.suite_digest", lambda prompts: PARTI_DIGEST)
    run = scored(tmp_path / "run.jsonl", "pick_score", 22.0)
    table = printed_table("table1")
    (found,) = measure(table, [f"{table.rows[0].name}={run}"], CARDS)
    assert "outside -1 to 1" in found.unlike["pick_score"]


def test_an_analysis_shows_how_values_are_spread(tmp_path: Path) -> None:
    run = scored(tmp_path / "run.jsonl", "image_reward", 0.6, first=-10.0)
    verb("analyse", run, "--out", tmp_path)
    with (tmp_path / "analysis.csv").open(newline="") as lines:
        found = {
            row["quantity"]: float(row["value"]) for row in csv.DictReader(lines) if row["analysis"] == "histogram"
        }
    assert (found["lowest"], found["highest"]) == (-10.0, pytest.approx(0.6066))
    assert (found["1/10"], found["5/10"], found["10/10"]) == (pytest.approx(1 / 12), 0.0, pytest.approx(11 / 12))
    assert "image_reward: values outside -6 to 6" in (tmp_path / "analysis.md").read_text()
    verb("analyse", scored(tmp_path / "flat.jsonl", "own", 0.0), "--out", tmp_path)
    assert "| own | 0.0000 | 1.0000 |" in (tmp_path / "analysis.md").read_text()


def test_curves_are_drawn_with_a_note(tmp_path: Path) -> None:
    for step in (1, 2):
        scored(tmp_path / f"step={step}" / "rewards.jsonl", "pick_score", 22.0)
    verb("track", tmp_path / "step=1", tmp_path / "step=2", "--out", tmp_path)
    assert "values outside -1 to 1" in (tmp_path / "track.md").read_text()

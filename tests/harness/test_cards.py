"""A user's metric that is better when lower, on its way from ``run.json`` through every verb that reads it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.app import app
from harness.stages.context import Pipeline
from reports.analysis import write_analysis
from reports.analysis.sweep import sweep_curves
from reports.analysis.track import write_track
from reports.gate.baseline import read_baseline
from reports.gate.evidence import Evidence
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import read_run
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import verdict, write_rows
from tests.reports.gate.builders import check_paths
from wire.cards import MetricCard, card_of, records
from wire.errors import UserError
from wire.vocabulary import TAGS

NOISE = MetricCard(
    metric="noise",
    title="Noise meter 2",
    scale="share of noisy pixels",
    range=(0.0, 1.0),
    higher_is_better=False,
    miro_normalised="(x + 1) / 2",
)
POLICY = "[metrics.noise]\nmargin = 0.05\n"


def noisy_run(folder: Path, level: float, cards: dict[str, Any] | None = None, metric: str = "noise") -> Path:
    """Prompts of two images that scatter around a level, right where they are less noisy."""
    scored, judged = [], []
    for prompt in range(24):
        for sample in range(2):
            value = level + 0.001 * ((7 * prompt + 3 * sample) % 11)
            name = {"filename": f"{prompt:05d}/samples/{sample:04d}.png", "prompt": f"prompt {prompt}"}
            scored.append({**name, "prompt_index": prompt, "sample_index": sample, metric: value})
            judged.append(verdict(prompt, sample, TAGS[prompt % 6], value < level + 0.005, name["prompt"]))
    write_rows(folder / "rewards.jsonl", scored)
    write_rows(folder / "results.jsonl", judged)
    provenance = {"cards": records({"noise": NOISE}) if cards is None else cards}
    record = {"name": folder.name, "stages": {"rewards": {"provenance": provenance}}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    return noisy_run(tmp_path / "quiet", 0.35)


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    return noisy_run(tmp_path / "loud", 0.55)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "gate.toml").write_text(POLICY)
    return tmp_path / "gate.toml"


def verb(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_a_rise_fails_the_gate_and_a_fall_passes_it(quiet: Path, loud: Path, policy: Path) -> None:
    assert "a rise is shown" in verb("check", loud, "--baseline", quiet, "--policy", policy, code=1).replace("\n", " ")
    said = verb("check", quiet, "--baseline", loud, "--policy", policy)
    assert said.splitlines()[-1] == "gate: passes"
    assert "noise ↓" in said
    assert "noise: lower is better" in said


def test_the_same_through_saved_baselines(quiet: Path, loud: Path, policy: Path, tmp_path: Path) -> None:
    for run in (quiet, loud):
        verb("baseline", "save", run, tmp_path / f"{run.name}.json")
    verb("check", loud, "--baseline", tmp_path / "quiet.json", "--policy", policy, code=1)
    verb("check", quiet, "--baseline", tmp_path / "loud.json", "--policy", policy)
    # The baseline alone knows, too.
    foreign = noisy_run(tmp_path / "foreign", 0.55, {})
    verb("check", foreign, "--baseline", tmp_path / "quiet.json", "--policy", policy, code=1)


def test_a_baseline_keeps_the_cards_of_its_metrics_alone(quiet: Path, tmp_path: Path) -> None:
    verb("baseline", "save", quiet, tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text())["cards"] == records({"noise": NOISE})
    assert read_baseline(tmp_path / "saved.json").manifest.cards == {"noise": NOISE}


def test_a_baseline_of_before_reads_as_it_did(quiet: Path, loud: Path, policy: Path, tmp_path: Path) -> None:
    verb("baseline", "save", quiet, tmp_path / "old.json")
    record = json.loads((tmp_path / "old.json").read_text())
    del record["cards"]
    (tmp_path / "old.json").write_text(json.dumps(record))
    assert read_baseline(tmp_path / "old.json", CARDS).manifest.cards == CARDS
    verb("check", loud, "--baseline", tmp_path / "old.json", "--policy", policy, code=1)


def test_without_any_card_higher_is_taken_to_be_better_and_that_is_said(tmp_path: Path, policy: Path) -> None:
    low, high = noisy_run(tmp_path / "low", 0.35, {}), noisy_run(tmp_path / "high", 0.55, {})
    said = " ".join(verb("check", high, "--baseline", low, "--policy", policy).split())
    assert said.count("no card says whether higher or lower noise is better: higher is assumed") == 1
    verb("check", low, "--baseline", high, "--policy", policy, code=1)
    verb("analyse", low, "--out", tmp_path / "analysis")
    assert "no card says whether higher or lower noise is better" in (tmp_path / "analysis" / "analysis.md").read_text()


def test_limits_on_observed_values_follow_the_direction(quiet: Path, loud: Path, tmp_path: Path) -> None:
    policy = tmp_path / "limits.toml"
    policy.write_text("[metrics.noise]\nlargest_drop = 0.1\nceiling = 0.5\n")
    gate = check_paths(loud, quiet, policy)
    assert gate.judgements[-1].text == "0.5550 is above the ceiling of 0.5; the rise of 0.2000 exceeds 0.1"
    assert check_paths(quiet, loud, policy).passes


def test_evidence_turned_round_is_that_of_the_negated_metric() -> None:
    fell = Evidence(-0.02, 0.01, 100, 90.0, skewness=0.3)
    assert Evidence(0.02, 0.01, 100, 90.0, skewness=-0.3, lower=True) == fell.turned()
    assert fell.turned().turned() == fell


def test_runs_whose_cards_name_other_directions_are_not_alike(quiet: Path, policy: Path, tmp_path: Path) -> None:
    turned = {"noise": NOISE.record() | {"higher_is_better": True}}
    other = noisy_run(tmp_path / "other", 0.4, turned)
    with pytest.raises(UserError, match=r"rewards\.cards\.noise \(lower is better; higher is better\)"):
        verb("check", other, "--baseline", quiet, "--policy", policy)
    board = make_leaderboard([summarise_run(read_run(run)) for run in (quiet, other)])
    assert any("runs' cards differ in noise" in note for note in board.notes)


def test_every_format_of_the_leaderboard_follows_the_card(quiet: Path, loud: Path, tmp_path: Path) -> None:
    for run in (quiet, loud):  # a whole sweep's rewards: of a part of GenEval nothing would be marked
        (run / "results.jsonl").unlink()
    said = verb("report", loud, quiet, "--out", tmp_path / "out")
    assert "noise ↓" in said
    texts = {path.suffix: path.read_text(encoding="utf-8") for path in (tmp_path / "out").glob("leaderboard.*")}
    assert "| noise ↓ |" in texts[".md"]
    assert "**0.3550**" in texts[".md"]
    assert "*0.5550*" in texts[".md"]
    legend = "mean Noise meter 2; share of noisy pixels; lower is better. MIRO-normalised in the CSV: (raw + 1) / 2."
    assert legend in texts[".md"]
    assert r"noise $\downarrow$" in texts[".tex"]
    assert r"\textbf{0.3550}" in texts[".tex"]
    assert "Raw values, higher is better, but of noise: lower is better. noise: Noise meter 2." in texts[".tex"]
    assert '<button type="button">noise ↓</button>' in texts[".html"]
    assert "share of noisy pixels; lower is better" in texts[".html"]
    assert re.search(r'class="number best"[^>]*><span>0\.3550<', texts[".html"])
    record = json.loads(texts[".json"])
    assert record["metrics"]["noise"]["direction"] == "lower is better"
    marks = {run["model"]: run["rewards"]["noise"]["mark"] for run in record["sections"][0]["runs"]}
    assert marks == {"quiet": "best", "loud": "second"}
    first = next(csv.DictReader(texts[".csv"].splitlines()))
    assert float(first["noise_normalised"]) == pytest.approx((float(first["noise"]) + 1) / 2)
    index = yaml.safe_load((tmp_path / "out" / "model-index.yaml").read_text())
    assert "mean Noise meter 2 (lower is better; 48 of 48 images)" in str(index)


def test_a_comparison_has_the_arrow(quiet: Path, loud: Path) -> None:
    said = verb("compare", quiet, loud, "--format", "markdown")
    assert "| noise ↓ | 0.3550 | 0.5550 | +0.2000 |" in said
    assert "- noise: lower is better" in said


def test_an_analysis_keeps_the_lowest_image(quiet: Path, loud: Path, tmp_path: Path) -> None:
    files = write_analysis([quiet, loud], tmp_path / "out")
    with files.csv.open(newline="") as lines:
        found = {(r["model"], r["analysis"], r["subject"], r["quantity"]): r for r in csv.DictReader(lines)}
    kept = float(found["quiet", "best_of_2", "noise", "noise"]["value"])
    assert kept < float(found["quiet", "best_of_1", "noise", "noise"]["value"])
    assert float(found["quiet", "reward_against_verdict", "noise", "AUC"]["value"]) == 1.0
    assert "| noise ↓ |" in files.markdown.read_text()
    assert "Of rewards marked ↓ lower is better." in files.markdown.read_text()


def test_a_training_is_sooner_where_it_falls_sooner(tmp_path: Path) -> None:
    levels = {"slow": (0.6, 0.5, 0.4), "fast": (0.6, 0.4, 0.3)}
    runs = [
        noisy_run(tmp_path / name / f"step={step}", level)
        for name, own in levels.items()
        for step, level in zip((1000, 2000, 3000), own, strict=True)
    ]
    for run in runs:
        (run / "run.json").write_text((run / "run.json").read_text().replace(f'"name": "{run.name}", ', ""))
    text = write_track(runs, tmp_path / "out").markdown.read_text()
    assert "## noise ↓" in text
    assert "| noise ↓ | slow | 0.4050 | 3,000 | fast | 2,000 | 1.50x |" in text
    assert "| noise ↓ | fast | 0.3050 | 3,000 | slow | never |  |" in text


def test_a_sweeps_panel_has_the_arrow(quiet: Path, loud: Path) -> None:
    summaries = [summarise_run(read_run(run)) for run in (quiet, loud)]
    labels = [curve.label for curve in sweep_curves([{"aesthetic_score": x} for x in (0.0, 1.0)], summaries)]
    assert labels[-1] == "noise ↓"
    assert labels[0] == "overall"


def test_values_that_the_card_rules_out_are_told(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "broken", 0.995)
    assert summarise_run(read_run(run)).notes[-1] == (
        "noise: values outside 0 to 1, the range that its card states: 22"
    )


def test_a_malformed_card_is_one_line(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "run", 0.5, {"noise": {"schema": "miro-eval/card/9"}})
    with pytest.raises(UserError, match=r"run\.json: card of 'noise': schema"):
        read_run(run)


def test_a_run_without_cards_is_read_by_those_that_are_known(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "run", 0.5, {}, "vqa")
    assert card_of("vqa", read_run(run, CARDS).manifest.cards) == CARDS["vqa"]
    assert card_of("vqa", read_run(run).manifest.cards).direction == "direction unknown"


def test_cards_of_metrics_scored_earlier_stay_in_the_record() -> None:
    """``rewards --scorer`` starts a worker for the new column alone."""
    from harness.run.manifest import StageRecord
    from harness.stages.rewards import REWARDS

    class Silent:
        def note_use(self, weights: object) -> list[str]:
            return []

    record = StageRecord("x", {}, provenance={"cards": {"vqa": 1}, "device": "cpu"})
    pipeline = Pipeline(None, None, None, Silent(), None)  # type: ignore[arg-type]
    object.__setattr__(pipeline, "save", lambda stage, record: None)
    event = {"event": "started", "total": 1, "device": "cpu", "cards": {"noise": 2}}
    pipeline.note_provenance(REWARDS, record, event, {})
    assert record.provenance == {"device": "cpu", "cards": {"vqa": 1, "noise": 2}}

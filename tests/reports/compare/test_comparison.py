from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from reports.compare.comparison import compare
from reports.gate.compare import compare_paths
from reports.gate.evidence import Evidence
from reports.read.runs import Run, read_run
from tests.reports.builders import SMALL, Row, rewards, sweep, unscored, verdict, write_rows
from tests.shared_data import shared
from wire.cards import MetricCard
from wire.errors import UserError
from wire.vocabulary import TAGS


def run(folder: Path, rows: list[Row], reward_rows: list[Row] | None = None) -> Run:
    write_rows(folder / "results.jsonl", rows)
    if reward_rows:
        write_rows(folder / "rewards.jsonl", reward_rows)
    return read_run(folder)


def test_a_run_against_a_better_one(tmp_path: Path) -> None:
    first = run(tmp_path / "a", sweep(SMALL))
    second = run(tmp_path / "b", sweep(SMALL | {"position": (7, 8)}))
    comparison = compare(first, second)
    lines = {line.metric: line for line in comparison.metrics}
    assert list(lines) == ["overall", *SMALL]
    assert lines["overall"].paired.difference == pytest.approx(6 / 8 / 6)
    assert (lines["overall"].first, lines["overall"].second) == pytest.approx((0.5, 0.5 + 6 / 8 / 6))
    assert lines["position"].paired.difference == pytest.approx(6 / 8)
    assert lines["colors"].paired.p_value == 1.0
    assert lines["overall"].corrected_p_value == pytest.approx(min(1.0, 7 * lines["overall"].paired.p_value), rel=0.3)


def test_foreign_names_and_numbers_do_not_matter(tmp_path: Path) -> None:
    """Another tool numbers prompts from the back, writes metadata in another order, and names files in its own way."""
    ours = sweep(SMALL)
    theirs = []
    for place, row in enumerate(reversed(ours)):
        metadata = dict(reversed(json.loads(row["metadata"]).items()))
        sample = row["filename"][-8:-4]
        name = f"images/p{900 - place // 4}_{sample}.png"
        theirs.append(row | {"filename": name, "metadata": json.dumps(metadata), "sample_index": int(sample)})
    comparison = compare(run(tmp_path / "a", ours), run(tmp_path / "b", theirs))
    assert [line.paired.difference for line in comparison.metrics] == [0.0] * 7
    assert all(line.paired.images == 8 and not line.left_out for line in comparison.metrics[1:])


def test_what_cannot_be_paired_is_said(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    fewer = [unscored(0, 0, "single_object"), *rows[2:]]
    comparison = compare(run(tmp_path / "a", rows), run(tmp_path / "b", fewer))
    assert comparison.metrics[0].left_out == "1 image only in the first, 1 image unscored in the second"
    assert any("left out of the comparison: 1 image only" in note for note in comparison.notes)
    assert any("are not recorded, so it is unknown" in note for note in comparison.notes)


def test_rewards_are_compared_within_tags(tmp_path: Path) -> None:
    prompts = [(int(row["filename"][:5]), int(row["filename"][-8:-4])) for row in sweep(SMALL)]
    base = [rewards(prompt, sample, {"aesthetic": 5 + 0.1 * sample}) for prompt, sample in prompts]
    more = [rewards(prompt, sample, {"aesthetic": 5.5 + 0.2 * sample}) for prompt, sample in prompts]
    comparison = compare(run(tmp_path / "a", sweep(SMALL), base), run(tmp_path / "b", sweep(SMALL), more))
    line = comparison.metrics[-1]
    assert line.metric == "aesthetic"
    assert line.paired.difference == pytest.approx(0.5 + 0.15)
    assert line.paired.images == 48


def test_nothing_in_common(tmp_path: Path) -> None:
    other = [row | {"prompt": "x", "metadata": "{}"} for row in sweep({"counting": (1, 4)})]
    with pytest.raises(UserError, match="share no scored prompts"):
        compare(run(tmp_path / "a", sweep({"colors": (1, 8)})), run(tmp_path / "b", other))


def test_the_real_file_against_itself() -> None:
    real = read_run(shared("data/geneval/genediteval_results.jsonl"))
    comparison = compare(real, real)
    assert comparison.metrics[0].paired.images == 2212
    assert comparison.metrics[0].first == pytest.approx(0.57406, abs=5e-6)
    assert all(line.paired.p_value == 1.0 for line in comparison.metrics)


def scored(rows: list[Row], **values: float) -> list[Row]:
    """Rows of rewards of the same images, under the same texts."""
    places = ((row, int(row["filename"][:5]), int(row["filename"][-8:-4])) for row in rows)
    return [rewards(prompt, sample, values) | {"prompt": row["prompt"]} for row, prompt, sample in places]


def test_rows_of_other_stages_have_the_same_prompts(tmp_path: Path) -> None:
    """Verdicts have tags and rewards have none, and a prompt is the same prompt all the same."""
    rows = sweep(SMALL)
    both = tmp_path / "both"
    run(both, rows, scored(rows, aesthetic=5.0, hps=0.3))
    alone = write_rows(tmp_path / "alone" / "rewards.jsonl", scored(rows, aesthetic=5.5)).parent
    judged = write_rows(tmp_path / "judged" / "results.jsonl", rows).parent
    for first, second in ((both, alone), (alone, both)):
        comparison = compare_paths(first, second)
        assert [line.metric for line in comparison.metrics] == ["aesthetic"]
        notes = [note for note in comparison.notes if "not compared" in note]
        assert notes == ["GenEval verdicts: not compared, alone has none", "hps: not compared, alone has no values"]
    notes = [note for note in compare_paths(both, judged).notes if "not compared" in note]
    assert notes == ["rewards: not compared, judged has none"]
    assert not any("not compared" in note for note in compare_paths(alone, alone).notes)
    with pytest.raises(UserError, match="share no scored prompts"):
        compare_paths(alone, judged)
    other = [row | {"prompt": f"{row['prompt']}!"} for row in scored(rows, aesthetic=5.0)]
    write_rows(tmp_path / "other" / "rewards.jsonl", other)
    with pytest.raises(UserError, match=r"suite\.prompts \(12 prompts; 12, of which 12 are others\)"):
        compare_paths(both, tmp_path / "other")


def test_what_is_lost_is_told_by_side_and_once(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    lost = [row if row["tag"] != "colors" else unscored(int(row["filename"][:5]), 0, "colors") for row in rows]
    whole, broken = run(tmp_path / "a", rows, scored(rows, x=1.0)), run(tmp_path / "b", lost[::-1], scored(rows, x=2.0))
    for first, second, side in ((whole, broken, "second"), (broken, whole, "first")):
        notes = [note for note in compare(first, second).notes if "recorded" not in note]
        only = {"first": "second", "second": "first"}[side]
        assert notes == [
            "overall, colors: not compared, the runs share too few scored prompts",
            f"GenEval verdicts: left out of the comparison: 6 images only in the {only}, "
            f"2 images unscored in the {side}",
        ]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_larger_than_it_can_be(seed: int, tmp_path: Path) -> None:
    """Over two prompts the quantile of a t test is 12.7, and a usual error times that is more than there is."""
    chance = random.Random(seed)
    sides = []
    for name in "ab":
        rows = [
            verdict(place, sample, tag, chance.random() < 0.5)
            for place, tag in enumerate(TAGS * 2)
            for sample in range(2)
        ]
        table = [row | {"x": chance.random(), "y": chance.random()} for row in scored(rows)]
        sides.append(run(tmp_path / name, rows, table))
    card = MetricCard(metric="x", scale="a share", range=(0.0, 1.0), higher_is_better=True)
    first, second = sides
    first.manifest.cards["x"] = card
    comparison = compare(first, second)
    assert [line.widest for line in comparison.metrics] == [1.0] * 8 + [math.inf]
    for line in comparison.metrics[:-1]:
        bound = Evidence.of(line).drop_bound(0.05)
        assert abs(line.paired.difference) <= 1.0
        assert -1.0 <= bound <= 1.0
        assert line.paired.detectable is None or line.paired.detectable <= 1.0
        interval = line.paired.interval
        assert interval is None or -1.0 <= interval.low <= interval.high <= 1.0
    assert max(Evidence.of(replace(line, widest=math.inf)).drop_bound(0.05) for line in comparison.metrics) > 1.0


def test_a_range_that_does_not_hold_bounds_nothing(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    first, second = run(tmp_path / "a", rows, scored(rows, x=0.5)), run(tmp_path / "b", rows, scored(rows, x=1.5))
    first.manifest.cards["x"] = MetricCard(metric="x", scale="a share", range=(0.0, 1.0), higher_is_better=True)
    assert compare(first, second).metrics[-1].widest == math.inf


def test_a_tag_counts_its_own_losses(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    fewer = [row for row in rows if not (row["tag"] == "colors" and row["filename"].endswith("0003.png"))]
    lines = {
        line.metric: line.left_out for line in compare(run(tmp_path / "a", rows), run(tmp_path / "b", fewer)).metrics
    }
    lost = f"{len(rows) - len(fewer)} images only in the first"
    assert lines == dict.fromkeys(("overall", *TAGS), "") | {"overall": lost, "colors": lost}


def test_runs_of_different_stages_are_told_what_each_lacks(tmp_path: Path) -> None:
    judged = run(tmp_path / "judged", sweep(SMALL))
    scored_alone = read_run(write_rows(tmp_path / "scored.jsonl", [rewards(number, 0) for number in range(4)]))
    with pytest.raises(
        UserError, match="GenEval verdicts: not compared, scored has none; rewards: not compared, judged has"
    ):
        compare(judged, scored_alone)

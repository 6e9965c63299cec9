from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.compare.comparison import compare
from reports.read.runs import Run, read_run
from tests.reports.builders import SMALL, Row, rewards, sweep, unscored, write_rows
from tests.shared_data import shared
from wire.errors import UserError


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
    assert comparison.metrics[0].left_out == "1 image only in the first, 1 image unscored in one or both"
    assert any("left out of the comparison: 1 image only" in note for note in comparison.notes)
    assert any("no protocol is recorded" in note for note in comparison.notes)


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

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from reports.read.reward_rows import read_rewards
from reports.summary.rewards_summary import RewardsSummary, summarise_rewards
from tests.reports.builders import rewards, write_rows
from tests.shared_data import shared


def summarise(tmp_path: Path, rows: list[dict[str, Any]], tags: dict[str, str] | None = None) -> RewardsSummary:
    return summarise_rewards(read_rewards(write_rows(tmp_path / "rewards.jsonl", rows)), tags or {})


def test_mean_and_what_it_rests_on(tmp_path: Path) -> None:
    rows = [
        rewards(0, 0, {"aesthetic": 5.0, "vqa": 0.5}),
        rewards(0, 1, {"aesthetic": 6.0}, unscored={"vqa": "out of memory"}),
        rewards(1, 0, {"aesthetic": 6.5}),
    ]
    summary = summarise(tmp_path, rows)
    aesthetic, vqa = summary.metrics["aesthetic"], summary.metrics["vqa"]
    assert (aesthetic.mean, aesthetic.images, aesthetic.prompts, aesthetic.unscored) == (17.5 / 3, 3, 2, 0)
    assert (vqa.mean, vqa.images, vqa.prompts, vqa.unscored) == (0.5, 1, 1, 2)
    assert vqa.unscored_reasons == {"no value in the row": 1, "out of memory": 1}
    assert vqa.interval is None
    assert (summary.images, summary.prompts, summary.unscored) == (3, 2, 2)


def test_a_metric_that_failed_everywhere(tmp_path: Path) -> None:
    vqa = summarise(tmp_path, [rewards(0, 0, {}, unscored={"vqa": "no weights"})]).metrics["vqa"]
    assert (vqa.mean, vqa.images, vqa.unscored) == (None, 0, 1)


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [
        rewards(prompt, sample, {"vqa": math.sin(7 * prompt + sample)}) for prompt in range(9) for sample in range(4)
    ]
    assert summarise(tmp_path, rows) == summarise(tmp_path, rows[::-1])


def test_strata_narrow_the_interval_and_leave_the_mean(tmp_path: Path) -> None:
    rows = [rewards(prompt, 0, {"vqa": float(prompt % 2) + 0.01 * prompt}) for prompt in range(40)]
    tags = {row["filename"]: "even" if row["prompt_index"] % 2 == 0 else "odd" for row in rows}
    flat, stratified = summarise(tmp_path, rows).metrics["vqa"], summarise(tmp_path, rows, tags).metrics["vqa"]
    assert flat.mean == stratified.mean
    assert flat.interval is not None
    assert stratified.interval is not None
    assert stratified.interval.standard_error < 0.5 * flat.interval.standard_error


def test_published_means_from_published_scores(tmp_path: Path) -> None:
    folder = shared("data/rewards/imagereward_bench")
    means = json.loads((folder / "ImageReward-summary.json").read_text())
    for model, mean in means.items():
        prompts = json.loads((folder / f"ImageReward-{model}.json").read_text())
        rows = [
            rewards(place, sample, {"image_reward": score})
            for place, prompt in enumerate(prompts)
            for sample, score in enumerate(prompt["rewards"])
        ]
        summary = summarise(tmp_path, rows).metrics["image_reward"]
        assert (summary.images, summary.prompts) == (1000, 100)
        assert summary.mean == pytest.approx(mean, abs=1e-12)
        assert summary.interval is not None
        assert summary.interval.low < mean < summary.interval.high
        assert summary.interval.bootstrap_standard_error == pytest.approx(summary.interval.standard_error, rel=0.1)

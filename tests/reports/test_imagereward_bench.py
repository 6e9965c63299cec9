"""Real scores with published means: the ImageReward benchmark, 6 models x 100 prompts x 10 images, two metrics.

The authors averaged each prompt's ten images first and then, with NumPy, the hundred prompts; a report adds up the
thousand images exactly and rounds once. With equally many images per prompt both are the same number, up to that
rounding: two units in the last place of a double. In the authors' order our sums give their numbers bit for bit.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reports
from reports.read.reward_rows import read_rewards
from reports.statistics.clusters import Clusters
from tests.reports.builders import rewards, write_rows
from tests.shared_data import shared

METRICS = {"image_reward": "ImageReward", "clip_vit_l_14": "CLIP"}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, float]]:
    """The means by metric and model."""
    folder = shared("data/rewards/imagereward_bench")
    return {metric: json.loads((folder / f"{name}-summary.json").read_text()) for metric, name in METRICS.items()}


@pytest.fixture(scope="module")
def folders(published: dict[str, dict[str, float]], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run directory for each model, with both metrics of its thousand images."""
    root = tmp_path_factory.mktemp("bench")
    models = list(published["image_reward"])
    return [write_rows(root / model / "rewards.jsonl", benchmark_rows(model)).parent for model in models]


def benchmark_rows(model: str) -> list[dict[str, Any]]:
    folder = shared("data/rewards/imagereward_bench")
    columns = {metric: json.loads((folder / f"{name}-{model}.json").read_text()) for metric, name in METRICS.items()}
    return [
        rewards(place, sample, {metric: column[place]["rewards"][sample] for metric, column in columns.items()})
        for place in range(100)
        for sample in range(10)
    ]


def test_a_report_gives_the_twelve_published_means(
    folders: list[Path], published: dict[str, dict[str, float]], tmp_path: Path
) -> None:
    board = json.loads(reports.report(folders, tmp_path).json.read_text())
    runs = {run["model"]: run for section in board["sections"] for run in section["runs"]}
    assert runs.keys() == published["image_reward"].keys()
    for metric, means in published.items():
        for model, mean in means.items():
            found = runs[model]["rewards"][metric]
            assert abs(found["value"] - mean) <= 2 * math.ulp(mean)
            assert found["low"] < mean < found["high"]
            assert (runs[model]["images"], runs[model]["prompts"], runs[model]["unscored"]) == (1000, 100, 0)


def test_summaries_round_the_exact_mean_once(folders: list[Path], published: dict[str, dict[str, float]]) -> None:
    for folder in folders:
        (path,) = reports.write_summaries(folder)
        found = json.loads(path.read_text())["metrics"]
        for metric, means in published.items():
            values = [Fraction(row[metric]) for row in benchmark_rows(folder.name)]
            assert found[metric]["mean"] == float(sum(values) / len(values))
            assert abs(found[metric]["mean"] - means[folder.name]) <= 2 * math.ulp(means[folder.name])


def test_sums_in_the_authors_order_give_their_numbers_bit_for_bit(
    folders: list[Path], published: dict[str, dict[str, float]]
) -> None:
    for folder in folders:
        frame = read_rewards(folder / "rewards.jsonl").frame
        for metric, means in published.items():
            clusters = Clusters.gather(frame["prompt_key"].tolist(), [""] * len(frame), frame[metric].tolist())
            assert float(np.mean(clusters.sums / clusters.counts)) == means[folder.name]

"""Not the speeds: that the benchmark times the same scores on both sides, and what it makes of figures."""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.reward_figures import Figures, Run, difference, ratio
from bench.reward_packages import reference_scorer
from bench.rewards import METRICS
from rewards.flops import PROMPT_TOKENS
from rewards.scorers import SCORERS, Scorer
from tests.rewards.pairs import PROMPTS, picture, scores
from tests.rewards.test_scorers import assert_equal_scores


@pytest.mark.parametrize("metric", METRICS)
def test_the_reference_gives_our_scores(
    metric: str, world: Path, load: Callable[..., Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    blip = importlib.import_module("ImageReward.models.BLIP.blip_pretrain")
    for place, name in ((blip, "create_vit"), (gzip, "open")):  # replaced by the reference for the packages' sake
        monkeypatch.setattr(place, name, getattr(place, name))
    reference = reference_scorer(metric, world, "cpu")
    with torch.no_grad():
        expected = torch.tensor([reference(picture(seed), PROMPTS[seed]) for seed in range(2)])
    assert_equal_scores(metric, scores(load(metric), [picture(0), picture(1)], PROMPTS[:2]), expected)


@pytest.fixture
def run() -> Run:
    sides = {
        "reference": {"images": 4, "seconds": {"pick_score": [8.0, 16.0]}, "peak_gb": 5.0},
        "ours": {"images": 4, "seconds": {"pick_score": [4.0, 10.0]}, "peak_gb": 6.0},
    }
    both = {name: [side | {"scores": {"pick_score": [0.25, 0.5, 0.5, 0.5]}}] for name, side in sides.items()}
    return Run.of(both, samples=4, rate=200e9, real=True)


def test_a_table_tells_ratios_operations_and_what_was_not_run(run: Run) -> None:
    (line,) = [line for line in run.table().splitlines() if line.startswith("| pick_score")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:6] == ["pick_score", "0.500", "1.000", "2.00x", "1.60x", "0.0e+00 (mean 0.0e+00)"]
    assert cells[6] == "not run"
    known = SCORERS["pick_score"].card.cost
    assert known
    work = known(PROMPT_TOKENS).image + known(PROMPT_TOKENS).prompt / 4
    assert cells[10:12] == [f"{work / 1e9:.0f}"] * 2
    assert "ratio 2.00x (1.60x in CPU seconds)" in run.table()
    assert "run at 200 GFLOP/s" in run.table()


def test_runs_are_kept_and_joined_by_metric_and_side(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path / "kept.json")
    assert Run.read(tmp_path / "kept.json") == run
    half = Figures(2, [1.0], [1.0], [0.25, 0.75], 6.0)
    later = Run({"pick_score": {"fast": half}, "all": {"ours": half}, "aesthetic": {"ours": half}}, 4, 100e9, True)
    joined = run.joined(later)
    assert {metric: set(sides) for metric, sides in joined.metrics.items()} == {
        "pick_score": {"reference", "ours", "fast"},
        "aesthetic": {"ours"},
    }
    assert joined.matrix_rate == 200e9


def test_a_ratio_of_several_rounds_shows_its_range() -> None:
    reference, ours = Figures(2, [4.0, 6.0], [4.0, 6.0], [], 1.0), Figures(4, [4.0, 4.0], [4.0, 4.0], [], 1.0)
    assert ratio(reference, ours) == "2.50x (2.00 to 3.00)"
    assert ratio(reference, Figures(4, [5.0], [5.0], [], 1.0)) == "2.00x"


def test_a_difference_is_of_the_images_that_both_sides_scored() -> None:
    assert difference([0.25, 0.5, 9.0], [0.5, 0.25]) == "2.5e-01 (mean 0.0e+00)"
    assert difference([], [0.5]) == ""

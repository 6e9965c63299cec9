from __future__ import annotations

import numpy as np
import pytest

from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import (
    MEAN_OF_STRATA,
    RATIO_OF_TOTALS,
    Estimator,
    macro_interval,
    mean_interval,
    standard_error,
)
from reports.statistics.resampling import resample_totals
from wire.vocabulary import TAGS

SIZES = np.array(list(PROMPTS_PER_TAG.values()))
#: Tag accuracies of a typical model.
ACCURACY = np.array([0.95, 0.7, 0.5, 0.8, 0.15, 0.3])


def simulated(generator: np.random.Generator, correlation: float, samples: int = 4, uneven: bool = False) -> Clusters:
    """A sweep whose verdicts have a known intra-prompt correlation (beta-binomial)."""
    expected = np.repeat(ACCURACY, SIZES)
    strength = (1 - correlation) / correlation
    solved = generator.beta(expected * strength, (1 - expected) * strength)
    counts = generator.integers(1, samples + 1, solved.size) if uneven else np.full(solved.size, samples)
    sums = generator.binomial(counts, solved).astype(np.float64)
    return Clusters(TAGS, SIZES, counts, sums, sums)


@pytest.mark.parametrize("estimator", [RATIO_OF_TOTALS, MEAN_OF_STRATA])
def test_gradient_is_the_derivative(estimator: Estimator) -> None:
    sums, counts = np.array([3.0, 7.0, 2.0]), np.array([8.0, 9.0, 11.0])
    by_sum, by_count = estimator.gradient(sums, counts)
    step = 1e-6 * np.eye(3)
    numeric_by_sum = (estimator.value(sums + step, counts) - estimator.value(sums - step, counts)) / 2e-6
    numeric_by_count = (estimator.value(sums, counts + step) - estimator.value(sums, counts - step)) / 2e-6
    assert by_sum == pytest.approx(numeric_by_sum, rel=1e-6)
    assert by_count == pytest.approx(numeric_by_count, rel=1e-6)


def test_standard_error_of_independent_values_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=50)
    clusters = Clusters.gather([str(place) for place in range(50)], [""] * 50, values.tolist())
    assert standard_error(clusters, RATIO_OF_TOTALS) == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_copies_of_an_image_add_no_information() -> None:
    values = np.random.default_rng(0).integers(0, 2, 50).tolist()
    prompts = [str(place) for place in range(50)]
    once = mean_interval(Clusters.gather(prompts, [""] * 50, values))
    four_times = mean_interval(Clusters.gather(prompts * 4, [""] * 200, values * 4))
    assert once is not None
    assert four_times is not None
    assert four_times.standard_error == pytest.approx(once.standard_error)
    assert (four_times.low, four_times.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize("uneven", [False, True])
def test_resampling_agrees_with_the_analytic_error(uneven: bool) -> None:
    clusters = simulated(np.random.default_rng(5), 0.4, uneven=uneven)
    for interval in (macro_interval(clusters), mean_interval(clusters, proportion=True)):
        assert interval is not None
        assert interval.bootstrap_standard_error == pytest.approx(interval.standard_error, rel=0.05)
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * interval.standard_error, rel=0.08)


def test_resampling_is_unbiased_in_small_strata() -> None:
    """Drawing K of K prompts would give 0.82 of the standard error here."""
    clusters = Clusters.gather(["a", "b", "c"] * 2, ["x"] * 3 + ["y"] * 3, [0, 1, 5, 2, 2, 9])
    interval = mean_interval(clusters)
    assert interval is not None
    assert interval.bootstrap_standard_error == pytest.approx(interval.standard_error, rel=0.05)


def test_draws_are_seeded_and_weigh_all_prompts_alike() -> None:
    clusters = simulated(np.random.default_rng(5), 0.4)
    first, again = resample_totals(clusters, 50, seed=1), resample_totals(clusters, 50, seed=1)
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], resample_totals(clusters, 50, seed=2)[0])
    assert first[1] == pytest.approx(np.broadcast_to(4.0 * SIZES, (50, 6)))


def test_a_change_in_one_stratum_moves_no_other() -> None:
    clusters = simulated(np.random.default_rng(5), 0.4)
    sums = clusters.sums.copy()
    sums[0] = 4 - sums[0]
    changed = Clusters(TAGS, SIZES, clusters.counts, sums, sums)
    before, after = resample_totals(clusters)[0], resample_totals(changed)[0]
    assert not np.array_equal(before[:, 0], after[:, 0])
    assert np.array_equal(before[:, 1:], after[:, 1:])


@pytest.mark.parametrize("correlation", [0.1, 0.4])
def test_coverage_of_the_overall_score(correlation: float) -> None:
    """400 sweeps: four standard errors of a 95 % coverage are 4.4 points."""
    generator = np.random.default_rng(11)
    truth = float(ACCURACY.mean())
    covered = 0
    for _ in range(400):
        interval = macro_interval(simulated(generator, correlation))
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert 0.906 <= covered / 400 <= 0.994


def test_treating_images_as_independent_would_not_cover() -> None:
    """The check above can fail: with a correlation of 0.4 the naive error is about 0.67 of the true one."""
    clusters = simulated(np.random.default_rng(11), 0.4)
    interval = macro_interval(clusters)
    sums, counts = clusters.totals()
    accuracy = sums / counts
    naive = float(np.sqrt((accuracy * (1 - accuracy) / counts).sum())) / 6
    assert interval is not None
    assert naive < 0.8 * interval.standard_error


@pytest.mark.parametrize(("verdict", "low", "high"), [(1, 0.025 ** (1 / 80), 1.0), (0, 0.0, 1 - 0.025 ** (1 / 80))])
def test_unanimous_verdicts_still_leave_doubt(verdict: int, low: float, high: float) -> None:
    prompts = [str(place // 4) for place in range(320)]
    interval = mean_interval(Clusters.gather(prompts, ["x"] * 320, [verdict] * 320), proportion=True)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_a_sweep_without_any_correct_image() -> None:
    zeros = np.zeros(SIZES.sum())
    interval = macro_interval(Clusters(TAGS, SIZES, np.full(zeros.size, 4), zeros, zeros))
    assert interval is not None
    assert interval.low == 0.0
    assert interval.high == pytest.approx(np.mean(1 - 0.025 ** (1 / SIZES)))


def test_one_prompt_says_nothing_of_others() -> None:
    lonely = Clusters.gather(["a", "a", "b", "c"], ["x", "x", "y", "y"], [0, 1, 1, 0])
    assert macro_interval(lonely) is None
    assert mean_interval(lonely.only("x")) is None
    assert mean_interval(lonely) is not None

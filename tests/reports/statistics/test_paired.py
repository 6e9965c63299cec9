from __future__ import annotations

import numpy as np
import pytest

from bench.studies.intervals import sign_flip_p_value, simulated_pair, simulated_sweep
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import MEAN_OF_STRATA, RATIO_OF_TOTALS, macro_interval
from reports.statistics.paired import holm, paired_difference
from wire.vocabulary import TAGS


def test_the_paired_t_test_of_the_textbook() -> None:
    differences = np.random.default_rng(3).normal(0.3, 1.0, size=40)
    clusters = Clusters.gather([str(place) for place in range(40)], [""] * 40, differences.tolist())
    paired = paired_difference(clusters, RATIO_OF_TOTALS)
    assert paired is not None
    from scipy import stats

    expected = stats.ttest_1samp(differences, 0.0)
    assert paired.p_value == pytest.approx(expected.pvalue)
    assert paired.difference == pytest.approx(differences.mean())
    assert paired.prompts == paired.images == 40


def test_pairing_sees_more_than_two_intervals_side_by_side() -> None:
    first, second, differences = simulated_pair(np.random.default_rng(2), 0.4, shift=0.0)
    paired = paired_difference(differences, MEAN_OF_STRATA)
    alone = macro_interval(first)
    assert paired is not None
    assert paired.interval is not None
    assert alone is not None
    unpaired = np.hypot(alone.standard_error, alone.standard_error)
    assert paired.interval.standard_error < 0.9 * unpaired
    assert second.counts.tolist() == first.counts.tolist()


def test_the_detectable_effect_is_detected_four_times_in_five() -> None:
    generator = np.random.default_rng(8)
    paired = paired_difference(simulated_pair(generator, 0.4)[2], MEAN_OF_STRATA)
    assert paired is not None
    assert paired.detectable is not None
    found = 0
    for _ in range(300):
        again = paired_difference(simulated_pair(generator, 0.4, shift=paired.detectable)[2], MEAN_OF_STRATA)
        assert again is not None
        found += again.p_value < 0.05
    assert 0.7 < found / 300 < 0.9


def test_the_permutation_agrees_with_the_t_test() -> None:
    differences = simulated_pair(np.random.default_rng(4), 0.4, shift=0.025)[2]
    paired = paired_difference(differences, MEAN_OF_STRATA)
    assert paired is not None
    assert sign_flip_p_value(differences, MEAN_OF_STRATA) == pytest.approx(paired.p_value, abs=0.02)


def test_a_run_against_itself() -> None:
    sweep = simulated_sweep(np.random.default_rng(1), 0.4)
    zeros = np.zeros_like(sweep.sums)
    same = Clusters(TAGS, sweep.sizes, sweep.counts, zeros, zeros)
    paired = paired_difference(same, MEAN_OF_STRATA)
    assert paired is not None
    assert (paired.difference, paired.interval, paired.p_value, paired.detectable) == (0.0, None, 1.0, None)
    assert sign_flip_p_value(same, MEAN_OF_STRATA) == 1.0


def test_one_prompt_is_not_enough() -> None:
    assert paired_difference(Clusters.gather(["a"], [""], [1]), RATIO_OF_TOTALS) is None


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_every_prompt_differs_alike() -> None:
    same = Clusters.gather(["a", "b", "c"], [""] * 3, [1, 1, 1])
    paired = paired_difference(same, RATIO_OF_TOTALS)
    assert paired is not None
    assert (paired.difference, paired.interval, paired.p_value) == (1.0, None, 0.25)

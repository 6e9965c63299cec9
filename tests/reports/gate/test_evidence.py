"""The two one-sided tests: textbook values where nothing is special, caution where something is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from reports.gate.decision import OpenQuestion, Settling
from reports.gate.evidence import RESERVE, Evidence
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import RATIO_OF_TOTALS
from reports.statistics.paired import moments

PLAIN = Evidence(-0.03, 0.01, 100, 99.0)


def test_without_skewness_they_are_t_tests_at_nine_tenths_of_the_level() -> None:
    assert PLAIN.shows_drop_beyond(0.01) == pytest.approx(stats.t.cdf(-2.0, 99) / RESERVE)
    assert PLAIN.excludes_drop_beyond(0.05) == pytest.approx(stats.t.sf(2.0, 99) / RESERVE)


@pytest.mark.parametrize("skewness", [-0.3, -0.05, 0.0, 0.05, 0.3])
@pytest.mark.parametrize("weight", [None, 80.0, 480.0])
@pytest.mark.parametrize("difference", [-0.03, 0.0, 0.02])
def test_a_drop_of_just_the_bound_is_excluded_at_just_the_level(
    difference: float, weight: float | None, skewness: float
) -> None:
    evidence = replace(PLAIN, difference=difference, weight=weight, skewness=skewness)
    bound = evidence.drop_bound(0.05)
    assert evidence.excludes_drop_beyond(bound) == pytest.approx(0.05)
    assert evidence.excludes_drop_beyond(bound + 0.01) < 0.05 < evidence.excludes_drop_beyond(bound - 0.01)


def test_skewness_only_ever_makes_them_more_cautious() -> None:
    for skewness in (-0.4, -0.1, 0.1, 0.4):
        skewed = replace(PLAIN, skewness=skewness)
        for amount in (0.0, 0.01, 0.05, 0.08):
            assert skewed.shows_drop_beyond(amount) >= PLAIN.shows_drop_beyond(amount)
            assert skewed.excludes_drop_beyond(amount) >= PLAIN.excludes_drop_beyond(amount)
    # Drops that lie to one side: by luck few were met, and their spread looks small.
    assert replace(PLAIN, skewness=-0.4).excludes_drop_beyond(0.05) > 1.2 * PLAIN.excludes_drop_beyond(0.05)


def test_few_prompts_that_differ_show_no_more_than_flipping_signs() -> None:
    for differing, error in ((3, 0.001), (3, 0.0)):
        evidence = Evidence(-0.03, error, 80, 5.0, discordant_prompts=differing)
        assert evidence.shows_drop_beyond(0.0) == pytest.approx(0.125 / RESERVE)
    assert Evidence(-0.03, 0.0, 80, 5.0, discordant_prompts=3).shows_drop_beyond(0.05) == 1.0


def test_runs_that_agree_exclude_what_so_many_prompts_would_have_met() -> None:
    same = Evidence(0.0, 0.0, 80, 79.0, discordant_prompts=0, weight=80.0)
    assert same.excludes_drop_beyond(0.05) == pytest.approx(math.exp(-4) / RESERVE)
    assert same.drop_bound(0.05) == pytest.approx(-math.log(RESERVE * 0.05) / 80)
    # Fifteen prompts could well have missed a kind that is 5 % of all: (1 - 0.05)^15 is 0.46.
    few = replace(same, prompts=15, weight=15.0)
    assert few.excludes_drop_beyond(0.05) > 0.46
    assert replace(few, weight=None).excludes_drop_beyond(0.05) == 0.0


def test_looks_share_the_level() -> None:
    early = replace(PLAIN, difference=-0.04, share=0.2)
    both = replace(PLAIN, share=0.8, earlier=(early,))
    expected = min(stats.t.cdf(-4.0, 99) / 0.2, stats.t.cdf(-3.0, 99) / 0.8) / RESERVE
    assert both.shows_drop_beyond(0.0) == pytest.approx(expected)
    assert both.drop_bound(0.05) == min(early.drop_bound(0.05), replace(PLAIN, share=0.8).drop_bound(0.05))
    assert both.excludes_drop_beyond(both.drop_bound(0.05)) == pytest.approx(0.05)


def test_moments_of_a_sample() -> None:
    values = np.random.default_rng(5).exponential(size=60)
    clusters = Clusters.gather([str(place) for place in range(60)], [""] * 60, values.tolist())
    found = moments(clusters, RATIO_OF_TOTALS)
    assert found.standard_error == pytest.approx(stats.sem(values))
    assert found.skewness == pytest.approx(stats.skew(values, bias=False) / math.sqrt(60))
    assert (found.discordant_prompts, found.weight, found.within) == (60, 60, None)
    even = Clusters.gather([str(place) for place in range(60)], [""] * 60, [1.0, -1.0] * 30)
    assert moments(even, RATIO_OF_TOTALS).degrees_of_freedom == 59.0
    rare = Clusters.gather([str(place) for place in range(60)], [""] * 60, [1.0] * 3 + [0.0] * 57)
    # Of such verdicts the fourth moment is (1 - 3 p q) / (p q) squared variances, here 18; a normal's is 3.
    assert moments(rare, RATIO_OF_TOTALS).degrees_of_freedom == pytest.approx(60 * 2 / (18.05 - 1), rel=0.01)


def test_what_more_images_a_prompt_would_lessen() -> None:
    generator = np.random.default_rng(6)
    between, noise = generator.normal(0.0, 1.0, size=400), generator.normal(0.0, 2.0, size=(400, 4))
    prompts = [str(prompt) for prompt in range(400) for _ in range(4)]
    found = moments(Clusters.gather(prompts, [""] * 1600, (between[:, None] + noise).ravel()), RATIO_OF_TOTALS)
    assert found.within == pytest.approx(0.5, abs=0.07)  # of 1 + 4 / 4


def test_settling_by_prompts_or_by_samples() -> None:
    evidence = Evidence(0.0, 0.02, 100, 99.0, samples=4.0, within=0.9)
    more = OpenQuestion(evidence, 0.02, 0.0, 0.05, 1).settling
    assert more.prompts is not None
    assert more.samples is not None
    # Nearly all of the error comes from the images, and other prompts would lessen the rest too.
    assert 4 * more.prompts < 100 * more.samples < 2 * 4 * more.prompts
    mostly_prompts = replace(evidence, within=0.1)
    assert OpenQuestion(mostly_prompts, 0.02, 0.0, 0.05, 1).settling == Settling(more.prompts, None)
    far = replace(evidence, standard_error=0.0001)
    assert OpenQuestion(far, 0.02, 0.0, 0.05, 1).settling == Settling(100, 4)

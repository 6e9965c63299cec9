from __future__ import annotations

import numpy as np
import pytest

from reports.statistics.clusters import Clusters, intraclass_correlation
from tests.reports.statistics.test_intervals import simulated


@pytest.mark.parametrize("correlation", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("uneven", [False, True])
def test_known_correlation_is_found(correlation: float, uneven: bool) -> None:
    """The mean over 40 sweeps: one sweep's estimate scatters by about 0.03."""
    generator = np.random.default_rng(3)
    found = [intraclass_correlation(simulated(generator, correlation, uneven=uneven)) for _ in range(40)]
    assert np.mean([value for value in found if value is not None]) == pytest.approx(correlation, abs=0.02)


def test_textbook_formula_for_one_stratum_of_equal_prompts() -> None:
    values = np.array([[9.0, 7, 8], [2, 4, 3], [5, 5, 8]])
    between = 3 * values.mean(axis=1).var(ddof=1)
    within = float(values.var(axis=1, ddof=1).mean())
    clusters = Clusters.gather(["a"] * 3 + ["b"] * 3 + ["c"] * 3, [""] * 9, values.ravel().tolist())
    assert intraclass_correlation(clusters) == pytest.approx((between - within) / (between + 2 * within))


def test_what_the_tag_explains_does_not_count() -> None:
    tags = ["easy"] * 40 + ["hard"] * 40
    prompts = [str(place // 4) for place in range(80)]
    half = [1, 1, 0, 1] * 10 + [0, 1, 0, 0] * 10
    assert (intraclass_correlation(Clusters.gather(prompts, tags, half)) or 0.0) < 0
    assert (intraclass_correlation(Clusters.gather(prompts, [""] * 80, half)) or 0.0) > 0


def test_identical_images_of_a_prompt() -> None:
    clusters = Clusters.gather(["a", "a", "b", "b", "c", "c"], ["x"] * 6, [1, 1, 0, 0, 1, 1])
    assert intraclass_correlation(clusters) == 1.0


@pytest.mark.parametrize(
    ("prompts", "values"), [(["a", "b", "c"], [1, 0, 1]), (["a", "a", "b", "b"], [1, 1, 1, 1]), (["a", "a"], [0, 1])]
)
def test_not_defined(prompts: list[str], values: list[int]) -> None:
    assert intraclass_correlation(Clusters.gather(prompts, ["x"] * len(prompts), values)) is None

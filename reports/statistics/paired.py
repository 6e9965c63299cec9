"""Two runs on the same prompts and samples: the difference, its interval, its p value, what could have been seen.

Both runs are scored on the same images' places, so the difference of two means is the mean of the differences, and
everything that holds for one sample of prompts holds for the differences: resampling them draws the same prompts for
both runs. What makes a prompt hard for both cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from reports.statistics.clusters import Clusters
from reports.statistics.estimators import Estimator
from reports.statistics.intervals import LEVEL, Interval, resampled_interval
from reports.statistics.moments import Moments, moments
from reports.statistics.resampling import SEED

#: Probability of detecting the minimum detectable effect.
POWER = 0.8
#: Sign flips of the permutation check; a p value of 0.05 then has a standard error of 0.005.
FLIPS = 2000


@dataclass(frozen=True)
class PairedDifference:
    """Second run minus first, over the same prompts and samples.

    Attributes:
        difference: in the statistic's unit.
        interval: None where every prompt of a stratum differs alike, mostly not at all: resampling has no width then.
        p_value: two-sided, of no difference: cluster-robust t test with (prompts - strata) degrees of freedom; without
            an interval, of flipping signs.
        detectable: the true difference that this test would find with 80 % probability; None without an interval, or
            where no difference is so large.
        prompts: prompts with a pair.
        moments: the shape of the difference's error, for one-sided tests that need more than a standard error.
    """

    difference: float
    interval: Interval | None
    p_value: float
    detectable: float | None
    images: int
    prompts: int
    moments: Moments


def paired_difference(differences: Clusters, estimator: Estimator, widest: float = math.inf) -> PairedDifference | None:
    """Test and estimate a difference.

    Args:
        differences: second minus first per pair of images.
        widest: the largest difference that there can be, of either sign.
        estimator: of the runs' means; linear in them, as all of :mod:`reports.statistics.estimators` are.

    Returns:
        None where a stratum has fewer than two prompts.
    """
    if not differences.estimable():
        return None
    difference = float(estimator.value(*differences.totals()))
    images, prompts = int(differences.counts.sum()), int(differences.sizes.sum())
    interval = resampled_interval(differences, estimator)
    shape = moments(differences, estimator)
    if interval.standard_error <= 0.0:
        # Every prompt differs alike (mostly: not at all). Flipping signs is then exact: only all or none is as extreme.
        p_value = min(1.0, 2.0 ** (1.0 - np.count_nonzero(differences.sums)))
        return PairedDifference(difference, None, p_value, None, images, prompts, shape)
    freedom = prompts - len(differences.sizes)
    p_value = float(2.0 * special.stdtr(freedom, -abs(difference) / interval.standard_error))
    factor = special.stdtrit(freedom, (1.0 + LEVEL) / 2.0) + special.stdtrit(freedom, POWER)
    detectable = float(factor * interval.standard_error)
    found = detectable if detectable <= widest else None
    return PairedDifference(difference, interval, p_value, found, images, prompts, shape)


def sign_flip_p_value(differences: Clusters, estimator: Estimator, flips: int = FLIPS, seed: int = SEED) -> float:
    """Permutation check of the t test: whole prompts swap the two runs at random.

    Exact where the two runs are exchangeable within each prompt; it cannot fall below 1 / (flips + 1), which a Holm
    correction over a long table would need, so tables use the t test.
    """
    generator = np.random.default_rng((seed, flips))
    signs = generator.choice((-1.0, 1.0), size=(flips, differences.sums.size))
    flipped = np.stack([signs[:, part] @ differences.sums[part] for part in differences.bounds], axis=-1)
    sums, counts = differences.totals()
    # Room for rounding: sums of the same numbers in another order must count as equal.
    observed = abs(float(estimator.value(sums, counts))) * (1.0 - 1e-9)
    extreme = int((np.abs(estimator.value(flipped, counts)) >= observed).sum())
    return (extreme + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979, Scand. J. Statist. 6:65-70), in the given order.

    The k-th smallest of m is multiplied by m - k + 1; none is smaller than a smaller one's, none above 1.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = largest
    return corrected

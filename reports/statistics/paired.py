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
from reports.statistics.intervals import LEVEL, Estimator, Interval, linear_effects, resampled_interval

#: Probability of detecting the minimum detectable effect.
POWER = 0.8


@dataclass(frozen=True)
class Moments:
    """What a t test in small or lopsided samples must know of a statistic's error over prompts.

    Estimated without bias for equal numbers of images.
    """

    standard_error: float  #: cluster-robust; 0 where all prompts of a stratum are alike
    skewness: float  #: of the statistic, not of a prompt: it shrinks with the root of the number of prompts
    #: Effective ones of the squared error (Satterthwaite 1946, Biometrics Bull. 2:110-114), from 1 to prompts - strata:
    #: few where it rests on few prompts that differ much.
    degrees_of_freedom: float
    #: Share of the squared error that more images per prompt would lessen, from 0 to 1; None with one each.
    within: float | None
    discordant_prompts: int  #: prompts whose value is not 0
    #: Prompts of the smallest stratum times the number of strata: a prompt whose mean moves by 1, and whose images
    #: count as much as others' do on average, moves a mean of strata by 1 / weight at most.
    weight: int


def moments(clusters: Clusters, estimator: Estimator) -> Moments:
    """Moments of a statistic that is linear in the strata's means; every stratum must have two prompts."""
    effects = linear_effects(clusters, estimator)
    sizes = clusters.sizes
    by_stratum = clusters.per_stratum(effects**2)
    variance = float(by_stratum.sum())
    # linear_effects() holds sqrt(K / (K - 1)), and an unbiased third moment of K prompts is K^2 / ((K - 1)(K - 2)).
    third = clusters.per_stratum(effects**3) * np.sqrt((sizes - 1.0) * sizes) / np.maximum(sizes - 2.0, 1.0)
    unevenness = float((effects**4).sum() - (by_stratum**2 / sizes).sum())
    most = float(sizes.sum() - sizes.size)
    enough = variance > 0.0 and unevenness > 2.0 * variance**2 / most
    return Moments(
        standard_error=variance**0.5,
        skewness=float(third.sum() / variance**1.5) if variance > 0.0 else 0.0,
        degrees_of_freedom=max(1.0, 2.0 * variance**2 / unevenness) if enough else most,
        within=_within(clusters, estimator, variance),
        discordant_prompts=int(np.count_nonzero(clusters.sums)),
        weight=int(sizes.min()) * sizes.size,
    )


def _within(clusters: Clusters, estimator: Estimator, variance: float) -> float | None:
    """Share of the variance that comes from the images of a prompt differing among themselves."""
    images = clusters.images
    if variance <= 0.0 or int(images.min()) < 2:
        return None
    by_sum, _ = estimator.gradient(*clusters.totals())
    noise = np.maximum(clusters.squares - clusters.sums**2 / images, 0.0) * images / (images - 1.0)
    return min(1.0, float((by_sum[clusters.stratum_of] ** 2 * noise).sum()) / variance)


@dataclass(frozen=True)
class PairedDifference:
    """Second run minus first, over the same prompts and samples."""

    difference: float  #: in the statistic's unit
    #: None where every prompt of a stratum differs alike, mostly not at all: resampling has no width then.
    interval: Interval | None
    #: Two-sided, of no difference: cluster-robust t test with (prompts - strata) degrees of freedom; without an
    #: interval, of flipping signs.
    p_value: float
    #: The true difference that this test would find with 80 % probability; None without an interval, or where no
    #: difference is so large.
    detectable: float | None
    images: int
    prompts: int  #: prompts with a pair
    moments: Moments  #: for one-sided tests


def paired_difference(differences: Clusters, estimator: Estimator, widest: float = math.inf) -> PairedDifference | None:
    """Test and estimate a difference.
    ``differences``: second minus first per pair of images.
    ``widest``: the largest difference that there can be, of either sign.
    Returns None where a stratum has fewer than two prompts.
    """
    if not differences.estimable():
        return None
    difference = float(estimator.value(*differences.totals()))
    images, prompts = int(differences.images.sum()), int(differences.sizes.sum())
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

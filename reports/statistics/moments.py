"""The shape of an estimate's error: what a t test in small or lopsided samples must know beyond the standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.statistics.clusters import Clusters
from reports.statistics.estimators import Estimator
from reports.statistics.intervals import linear_effects


@dataclass(frozen=True)
class Moments:
    """Moments of a statistic's error over prompts, estimated without bias for equal numbers of images.

    Attributes:
        standard_error: cluster-robust; 0 where all prompts of a stratum are alike.
        skewness: of the statistic, not of a prompt: it shrinks with the root of the number of prompts.
        degrees_of_freedom: effective ones of the squared error (Satterthwaite 1946, Biometrics Bull. 2:110-114), from 1
            to prompts - strata: few where it rests on few prompts that differ much.
        within: share of the squared error that more images a prompt would lessen, from 0 to 1; None with one each.
        discordant_prompts: prompts whose value is not 0.
        weight: prompts of the smallest stratum times the number of strata: a prompt whose mean moves by 1 moves a mean
            of strata by 1 / weight at most.
    """

    standard_error: float
    skewness: float
    degrees_of_freedom: float
    within: float | None
    discordant_prompts: int
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
    counts = clusters.counts
    if variance <= 0.0 or int(counts.min()) < 2:
        return None
    by_sum, _ = estimator.gradient(*clusters.totals())
    noise = np.maximum(clusters.squares - clusters.sums**2 / counts, 0.0) * counts / (counts - 1.0)
    return min(1.0, float((by_sum[clusters.stratum_of] ** 2 * noise).sum()) / variance)

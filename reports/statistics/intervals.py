"""95 % intervals: percentiles of resampled prompts, with the analytic standard error beside them as a check."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np

from reports.statistics.clusters import Clusters, Floats
from reports.statistics.estimators import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.resampling import resample_totals

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A 95 % interval and two independent views of the standard error behind it.

    Attributes:
        low, high: bounds, in the statistic's unit.
        standard_error: analytic and cluster-robust.
        bootstrap_standard_error: standard deviation over the resamples; it should be near the analytic one.
    """

    low: float
    high: float
    standard_error: float
    bootstrap_standard_error: float


def standard_error(clusters: Clusters, estimator: Estimator) -> float:
    """Analytic standard error: the delta method over independent prompts within strata.

    With e_i = dT/dS_h * s_i + dT/dN_h * n_i the linear effect of prompt i of stratum h (K_h prompts), the variance
    is the sum over strata of K_h / (K_h - 1) * sum of (e_i - mean e)^2 (Cochran 1977, Sampling Techniques, ch. 6).
    """
    by_sum, by_count = estimator.gradient(*clusters.totals())
    stratum = clusters.stratum_of
    effects = by_sum[stratum] * clusters.sums + by_count[stratum] * clusters.counts
    centered = effects - (clusters.per_stratum(effects) / clusters.sizes)[stratum]
    variances = clusters.per_stratum(centered * centered) * clusters.sizes / (clusters.sizes - 1)
    return float(np.sqrt(variances.sum()))


def mean_interval(clusters: Clusters, proportion: bool = False) -> Interval | None:
    """Interval of the mean over images: pooled accuracy, mean reward, or a tag's accuracy (one stratum).

    Args:
        clusters: the images' values; strata too small to be resampled are merged into one.
        proportion: the values are verdicts (0 or 1): where all agree the interval still has a width.

    Returns:
        None where there are fewer than two prompts, as nothing can then be said about other prompts.
    """
    usable = clusters if clusters.estimable() else clusters.merged()
    if not usable.estimable():
        return None
    if proportion and _unanimous(usable):
        return _unanimous_interval(usable)
    return _interval(usable, RATIO_OF_TOTALS, resample_totals(usable))


def macro_interval(clusters: Clusters) -> Interval | None:
    """Interval of the unweighted mean of the strata's proportions; None where a stratum has fewer than two prompts.

    Where the verdicts agree within every stratum, its bounds are the means of the strata's: wider than need be.
    """
    if not clusters.estimable():
        return None
    if all(_unanimous(clusters.only(name)) for name in clusters.strata):
        parts = [_unanimous_interval(clusters.only(name)) for name in clusters.strata]
        return Interval(fmean(part.low for part in parts), fmean(part.high for part in parts), 0.0, 0.0)
    return _interval(clusters, MEAN_OF_STRATA, resample_totals(clusters))


def _interval(clusters: Clusters, estimator: Estimator, totals: tuple[Floats, Floats]) -> Interval:
    replicates = estimator.value(*totals)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(replicates, (tail, 1.0 - tail))
    return Interval(float(low), float(high), standard_error(clusters, estimator), float(replicates.std(ddof=1)))


def _unanimous(clusters: Clusters) -> bool:
    correct = clusters.sums.sum()
    return bool(correct == 0 or correct == clusters.counts.sum())


def _unanimous_interval(clusters: Clusters) -> Interval:
    """All verdicts agree: resampling cannot vary, so Clopper and Pearson's (1934) exact bound over K prompts is used.

    Counting prompts, not images, makes it hold however strongly a prompt's images agree.
    """
    bound = float(((1.0 - LEVEL) / 2.0) ** (1.0 / int(clusters.sizes.sum())))
    low, high = (bound, 1.0) if clusters.sums.sum() > 0 else (0.0, 1.0 - bound)
    return Interval(low, high, 0.0, 0.0)

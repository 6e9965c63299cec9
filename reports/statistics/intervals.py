"""95 % intervals, with two independent views of the standard error behind them.

Means and macro averages: percentiles of resampled prompts. Proportions: exact binomial bounds at the effective
sample size, which hold near 0 and 1 too, where percentiles are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np

from reports.statistics.clusters import Clusters, Floats
from reports.statistics.estimators import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.proportions import clopper_pearson, degrees_of_freedom_factor, effective_size
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
    """Analytic standard error: the root of the summed squares of :func:`linear_effects`."""
    return float(np.sqrt((linear_effects(clusters, estimator) ** 2).sum()))


def linear_effects(clusters: Clusters, estimator: Estimator) -> Floats:
    """(C,) what each prompt adds to the statistic's error: the delta method over independent prompts within strata.

    With e_i = dT/dS_h * s_i + dT/dN_h * n_i the linear effect of prompt i of stratum h (K_h prompts), the variance
    is the sum over strata of K_h / (K_h - 1) * sum of (e_i - mean e)^2 (Cochran 1977, Sampling Techniques, ch. 6).
    Returned are sqrt(K_h / (K_h - 1)) * (e_i - mean e); every stratum must have two prompts.
    """
    by_sum, by_count = estimator.gradient(*clusters.totals())
    stratum = clusters.stratum_of
    effects = by_sum[stratum] * clusters.sums + by_count[stratum] * clusters.counts
    centered = effects - (clusters.per_stratum(effects) / clusters.sizes)[stratum]
    scaled: Floats = centered * np.sqrt(clusters.sizes / (clusters.sizes - 1))[stratum]
    return scaled


def mean_interval(clusters: Clusters, proportion: bool = False) -> Interval | None:
    """Interval of the mean over images: pooled accuracy, mean reward, or a tag's accuracy (one stratum).

    Args:
        clusters: the images' values; strata too small to be resampled are merged into one.
        proportion: the values are verdicts (0 or 1), whose interval has a width even where all agree.

    Returns:
        None where there are fewer than two prompts, as nothing can then be said about other prompts.
    """
    usable = clusters if clusters.estimable() else clusters.merged()
    if not usable.estimable():
        return None
    if proportion:
        return _unanimous_interval(usable) if _unanimous(usable) else _proportion_interval(usable)
    return resampled_interval(usable, RATIO_OF_TOTALS)


def macro_interval(clusters: Clusters) -> Interval | None:
    """Interval of the unweighted mean of the strata's proportions; None where a stratum has fewer than two prompts.

    Where the verdicts agree within every stratum, its bounds are the means of the strata's: wider than need be.
    """
    if not clusters.estimable():
        return None
    if all(_unanimous(clusters.only(name)) for name in clusters.strata):
        parts = [_unanimous_interval(clusters.only(name)) for name in clusters.strata]
        return Interval(fmean(part.low for part in parts), fmean(part.high for part in parts), 0.0, 0.0)
    return resampled_interval(clusters, MEAN_OF_STRATA)


def resampled_interval(clusters: Clusters, estimator: Estimator) -> Interval:
    """Percentile interval over resampled prompts, of which every stratum must have two."""
    replicates = estimator.value(*resample_totals(clusters))
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(replicates, (tail, 1.0 - tail))
    return Interval(float(low), float(high), standard_error(clusters, estimator), float(replicates.std(ddof=1)))


def _proportion_interval(clusters: Clusters) -> Interval:
    """Clopper and Pearson's bounds at the effective sample size (Korn and Graubard 1998, Survey Methodology 24)."""
    images = int(clusters.counts.sum())
    proportion = float(clusters.sums.sum()) / images
    error = standard_error(clusters, RATIO_OF_TOTALS)
    prompts = int(clusters.sizes.sum())
    size = effective_size(proportion, error, images, prompts)
    size *= degrees_of_freedom_factor(prompts - len(clusters.sizes), LEVEL)
    low, high = clopper_pearson(proportion * size, size, LEVEL)
    spread = float(RATIO_OF_TOTALS.value(*resample_totals(clusters)).std(ddof=1))
    return Interval(low, high, error, spread)


def _unanimous(clusters: Clusters) -> bool:
    correct = clusters.sums.sum()
    return bool(correct == 0 or correct == clusters.counts.sum())


def _unanimous_interval(clusters: Clusters) -> Interval:
    """All verdicts agree: resampling cannot vary, so Clopper and Pearson's (1934) exact bound over K prompts is used.

    Counting prompts, not images, makes it hold however strongly a prompt's images agree.
    """
    prompts = int(clusters.sizes.sum())
    low, high = clopper_pearson(prompts if clusters.sums.sum() > 0 else 0, prompts, LEVEL)
    return Interval(low, high, 0.0, 0.0)

"""Estimators, and their 95 % intervals with two independent views of the standard error behind them.

Means and macro averages: percentiles of resampled prompts. Proportions: exact binomial bounds at the effective
sample size, which hold near 0 and 1 too, where percentiles are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from reports.statistics.clusters import Clusters, Floats
from reports.statistics.resampling import resample_totals

LEVEL = 0.95


@dataclass(frozen=True)
class Estimator:
    """A smooth function of per-stratum totals, with its gradient for the analytic error.

    Sums and counts have shape (..., H): H strata last, resamples (if any) before. With ``by_stratum`` it is the
    unweighted mean of the strata's means: GenEval's overall score, its strata being the six tags. Without, it is the
    mean over all images whatever their stratum: pooled accuracy, tag accuracy (one stratum), mean reward.
    """

    by_stratum: bool

    def value(self, sums: Floats, counts: Floats) -> Floats:
        """The statistic, shape (...)."""
        mean: Floats = (sums / counts).mean(axis=-1) if self.by_stratum else sums.sum(axis=-1) / counts.sum(axis=-1)
        return mean

    def gradient(self, sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """Partial derivatives by each stratum's sum and count; all of shape (H,)."""
        if self.by_stratum:
            by_sum = 1.0 / (sums.size * counts)
            return by_sum, -by_sum * sums / counts
        total = counts.sum()
        by_sum = np.full_like(sums, 1.0 / total)
        return by_sum, -by_sum * sums.sum() / total


RATIO_OF_TOTALS = Estimator(by_stratum=False)
MEAN_OF_STRATA = Estimator(by_stratum=True)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, in the statistic's unit, and two independent views of the standard error behind it."""

    low: float
    high: float
    standard_error: float  #: analytic and cluster-robust
    bootstrap_standard_error: float  #: standard deviation over the resamples; it should be near the analytic one


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
    ``clusters``: the images' values; strata too small to be resampled are merged into one.
    ``proportion``: the values are verdicts (0 or 1), whose interval has a width even where all agree.
    Returns None where there are fewer than two prompts, as nothing can then be said about other prompts.
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
    strata = [clusters.only(name) for name in clusters.strata]
    if all(map(_unanimous, strata)):
        parts = [_unanimous_interval(stratum) for stratum in strata]
        return Interval(fmean(part.low for part in parts), fmean(part.high for part in parts), 0.0, 0.0)
    return resampled_interval(clusters, MEAN_OF_STRATA)


def resampled_interval(clusters: Clusters, estimator: Estimator) -> Interval:
    """Percentile interval over resampled prompts, of which every stratum must have two."""
    replicates = estimator.value(*resample_totals(clusters))
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(replicates, (tail, 1.0 - tail))
    return Interval(float(low), float(high), standard_error(clusters, estimator), float(replicates.std(ddof=1)))


def _proportion_interval(clusters: Clusters) -> Interval:
    """Exact bounds at the effective sample size: how many independent images would give the same standard error.

    After Korn and Graubard (1998, Survey Methodology 24). It is no larger than the number of images, for a design
    effect below 1 is mostly luck, and shrinks by (z / t)^2 where its variance rests on few prompts. Prompts stand for
    it where the error is 0 though the images are not all alike.
    """
    images, prompts = int(clusters.counts.sum()), int(clusters.sizes.sum())
    proportion = float(clusters.sums.sum()) / images
    error = standard_error(clusters, RATIO_OF_TOTALS)
    size = min(float(images), proportion * (1.0 - proportion) / error**2) if error > 0.0 else float(prompts)
    upper = (1.0 + LEVEL) / 2.0
    size *= float((special.ndtri(upper) / special.stdtrit(prompts - len(clusters.sizes), upper)) ** 2)
    spread = float(RATIO_OF_TOTALS.value(*resample_totals(clusters)).std(ddof=1))
    return Interval(*_clopper_pearson(proportion * size, size), error, spread)


def _unanimous(clusters: Clusters) -> bool:
    correct = clusters.sums.sum()
    return bool(correct == 0 or correct == clusters.counts.sum())


def _unanimous_interval(clusters: Clusters) -> Interval:
    """All verdicts agree: resampling cannot vary, so the exact bounds over K prompts are used.

    Counting prompts, not images, makes it hold however strongly a prompt's images agree.
    """
    prompts = int(clusters.sizes.sum())
    return Interval(*_clopper_pearson(prompts if clusters.sums.sum() > 0 else 0, prompts), 0.0, 0.0)


def _clopper_pearson(successes: float, size: float) -> tuple[float, float]:
    """Exact 95 % bounds, from 0 to 1, of a binomial proportion (Clopper and Pearson 1934, Biometrika 26:404-413).
    ``successes``: from 0 to ``size``, which is above 0; both may be fractional, as effective sizes are.
    """
    tail, failures = (1.0 - LEVEL) / 2.0, size - successes
    low = float(special.betaincinv(successes, failures + 1.0, tail)) if successes > 0 else 0.0
    high = float(special.betaincinv(successes + 1.0, failures, 1.0 - tail)) if failures > 0 else 1.0
    return low, high

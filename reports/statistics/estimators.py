"""The estimators: smooth functions of per-stratum totals, each with its gradient for the analytic error.

``sums`` and ``counts`` have shape (..., H): H strata last, resamples (if any) before.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from reports.statistics.clusters import Floats


class Estimator(Protocol):
    """A statistic of the strata's totals."""

    def value(self, sums: Floats, counts: Floats) -> Floats:
        """The statistic, shape (...)."""

    def gradient(self, sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """Partial derivatives by each stratum's sum and count; all of shape (H,)."""


class RatioOfTotals:
    """Mean over all images, whatever their stratum: pooled accuracy, tag accuracy (one stratum), mean reward."""

    def value(self, sums: Floats, counts: Floats) -> Floats:
        """Sum of the sums over the sum of the counts."""
        ratio: Floats = sums.sum(axis=-1) / counts.sum(axis=-1)
        return ratio

    def gradient(self, sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """1/N by the sums and -R/N by the counts, the same for every stratum."""
        total = counts.sum()
        by_sum = np.full_like(sums, 1.0 / total)
        return by_sum, -by_sum * sums.sum() / total


class MeanOfStrata:
    """Unweighted mean of the strata's means: GenEval's overall score, its strata being the six tags."""

    def value(self, sums: Floats, counts: Floats) -> Floats:
        """Mean of sum/count over the strata."""
        mean: Floats = (sums / counts).mean(axis=-1)
        return mean

    def gradient(self, sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """1/(H n) by a stratum's sum and -r/(H n) by its count."""
        by_sum = 1.0 / (sums.size * counts)
        return by_sum, -by_sum * sums / counts


RATIO_OF_TOTALS = RatioOfTotals()
MEAN_OF_STRATA = MeanOfStrata()

"""Spearman's rank correlation of two values of each image, with its 95 % interval over prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.statistics.clusters import Floats, Layout
from reports.statistics.intervals import LEVEL
from reports.statistics.resampling import resample_together


def rank_correlation(
    prompts: Sequence[str], first: Floats, second: Floats
) -> tuple[float, tuple[float, float] | None] | None:
    """Correlation of ranks, equal values sharing theirs, and the percentiles of it over resampled prompts.

    Ranks are those among all images, for every resample: ranks taken anew in each would only move together.
    ``prompts``: (N,) of each image.
    ``first``, ``second``: (N,) values, all present.
    Returns None for fewer than three images or where one is constant; no interval of fewer than two prompts.
    """
    if len(first) < 3 or not (np.ptp(first) and np.ptp(second)):
        return None
    x, y = (_centred_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second))
    layout = Layout.of(prompts, [""] * len(x))
    moments = [layout.clusters(values) for values in (x, y, x * x, y * y, x * y)]
    value = _correlation([one.sums.sum() for one in moments], len(x))
    drawn = [one.resampled for one in resample_together(moments)]
    if any(one is None for one in drawn):
        return float(value), None
    counts = drawn[0][1][:, 0] if drawn[0] is not None else np.ones(1)
    replicates = _correlation([one[0][:, 0] for one in drawn if one is not None], counts)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.nanquantile(replicates, (tail, 1.0 - tail))
    return float(value), (float(low), float(high))


def _centred_ranks(values: Floats) -> Floats:
    """From -1 to 1, the mean rank of those that are equal."""
    _, level_of, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2.0
    ranks: Floats = 2.0 * middle[level_of] / (len(values) - 1) - 1.0
    return ranks


def _correlation(sums: Sequence[Floats], count: Floats | int) -> Floats:
    """From the sums of x, y, x², y², xy; all of one shape."""
    x, y, xx, yy, xy = (part / count for part in sums)
    spread = np.sqrt(np.maximum((xx - x * x) * (yy - y * y), 0.0))
    found: Floats = np.divide(xy - x * y, spread, out=np.full_like(np.asarray(spread), np.nan), where=spread > 0)
    return found

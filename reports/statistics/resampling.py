"""Resampling whole prompts within strata.

Of the K prompts of a stratum, K - 1 are drawn with replacement and weighted K / (K - 1): the rescaled bootstrap
of Rao and Wu (1988, JASA 83:231-241), whose variance is unbiased for linear statistics. Drawing K of K, the naive
way, understates the variance by (K - 1) / K, which shows in strata of few prompts (limited sweeps).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.statistics.clusters import Clusters, Floats

#: Resamples per interval: between seeds a 95 % bound then moves by 0.06 standard errors, 1/65 of the interval's width
#: (standard deviation of a normal sample's 2.5 % quantile: sqrt(0.025 * 0.975 / 2000) / 0.0584).
RESAMPLES = 2000
#: Fixed, so that a report's bytes depend on its rows alone; any value serves.
SEED = 553


def resample_totals(clusters: Clusters, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[Floats, Floats]:
    """Per-stratum totals of resampled prompts.

    Args:
        clusters: at least two prompts in every stratum.
        resamples: B, how often to resample.
        seed: of the draws; the same sizes and seed give the same draws, so a change in one stratum moves no other.

    Returns:
        (B, H) sums of values and (B, H) numbers of images, both weighted.
    """
    # Both at once, and as 32-bit floats where these are exact: reading the times is what takes the time.
    both = np.stack([clusters.sums, clusters.counts], axis=-1)
    whole = bool((both == np.rint(both)).all()) and float(np.abs(both).sum()) < _EXACT
    drawn = _times(tuple(clusters.sizes.tolist()), resamples, seed, "float32" if whole else "float64")
    totals = [
        (times @ both[part].astype(times.dtype)).astype(np.float64) * (size / (size - 1))
        for times, part, size in zip(drawn, clusters.bounds, clusters.sizes.tolist(), strict=True)
    ]
    return np.stack([total[:, 0] for total in totals], axis=-1), np.stack([total[:, 1] for total in totals], axis=-1)


#: Sums of whole numbers, even where one prompt is drawn a thousand times, must stay
#: below 2^24, up to which 32-bit floats hold every whole number.
_EXACT = 2**24 / 1000


@lru_cache(maxsize=16)
def _times(sizes: tuple[int, ...], resamples: int, seed: int, kind: str) -> tuple[NDArray[Any], ...]:
    """One (B, K) matrix a stratum of how often each prompt is drawn; kept, as most runs of a report are of one size."""
    return tuple(
        _stratum_times(size, resamples, np.random.default_rng((seed, place, size))).astype(kind)
        for place, size in enumerate(sizes)
    )


def _stratum_times(size: int, resamples: int, generator: np.random.Generator) -> NDArray[np.int64]:
    drawn = generator.integers(size, size=(resamples, size - 1))
    cells = drawn + size * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * size).reshape(resamples, size)

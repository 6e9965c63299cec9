"""Resampling whole prompts within strata.

Of the K prompts of a stratum, K - 1 are drawn with replacement and weighted K / (K - 1): the rescaled bootstrap
of Rao and Wu (1988, JASA 83:231-241), whose variance is unbiased for linear statistics. Drawing K of K, the naive
way, understates the variance by (K - 1) / K, which shows in strata of few prompts (limited sweeps).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

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
    weights = _weights(tuple(clusters.sizes.tolist()), resamples, seed)
    sums = [drawn @ clusters.sums[part] for drawn, part in zip(weights, clusters.bounds, strict=True)]
    counts = [drawn @ clusters.counts[part] for drawn, part in zip(weights, clusters.bounds, strict=True)]
    return np.stack(sums, axis=-1), np.stack(counts, axis=-1)


@lru_cache(maxsize=16)
def _weights(sizes: tuple[int, ...], resamples: int, seed: int) -> tuple[Floats, ...]:
    """One (B, K) matrix of prompt weights per stratum; kept, for the runs of a report have mostly the same sizes."""
    return tuple(
        _stratum_weights(size, resamples, np.random.default_rng((seed, place, size)))
        for place, size in enumerate(sizes)
    )


def _stratum_weights(size: int, resamples: int, generator: np.random.Generator) -> Floats:
    drawn = generator.integers(size, size=(resamples, size - 1))
    cells = drawn + size * np.arange(resamples)[:, None]
    times = np.bincount(cells.ravel(), minlength=resamples * size).reshape(resamples, size)
    return times.astype(np.float64) * (size / (size - 1))

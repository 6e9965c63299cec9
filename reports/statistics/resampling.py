"""Resampling whole prompts within strata.

Of the K prompts of a stratum, K - 1 are drawn with replacement and weighted K / (K - 1): the rescaled bootstrap
of Rao and Wu (1988, JASA 83:231-241), whose variance is unbiased for linear statistics. Drawing K of K, the naive
way, understates the variance by (K - 1) / K, which shows in strata of few prompts (limited sweeps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.statistics.clusters import Clusters, Floats
from wire.grouping import grouped

#: Resamples per interval: between seeds a 95 % bound then moves by 0.06 standard errors, 1/65 of the interval's width
#: (standard deviation of a normal sample's 2.5 % quantile: sqrt(0.025 * 0.975 / 2000) / 0.0584).
RESAMPLES = 2000
#: Fixed, so that a report's bytes depend on its rows alone; any value serves.
SEED = 553


def resample_totals(clusters: Clusters, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[Floats, Floats]:
    """(B, H) sums of values and (B, H) numbers of images, both weighted, of B times resampled prompts.

    Every stratum must have two prompts. The same sizes and seed give the same draws, so a change in one stratum moves
    no other.
    """
    if clusters.resampled is not None and (resamples, seed) == (RESAMPLES, SEED):
        return clusters.resampled
    return _totals([clusters], resamples, seed)[0]


def drawn(prompts: int) -> Floats:
    """(B, K) how often each of K prompts, two or more, is drawn: for statistics that totals are not enough for."""
    found: Floats = _times((prompts,), RESAMPLES, SEED, "float64")[0]
    return found


def resample_together(several: Sequence[Clusters]) -> list[Clusters]:
    """The same, each with its resampled totals: made with one pass over the draws for values over the same prompts.

    What has a stratum of one prompt cannot be resampled and stays as it is.
    """
    usable = ((place, clusters) for place, clusters in enumerate(several) if clusters.estimable())
    alike = grouped((tuple(clusters.sizes.tolist()), place) for place, clusters in usable)
    made = list(several)
    for places in alike.values():
        totals = _totals([several[place] for place in places], RESAMPLES, SEED)
        for place, resampled in zip(places, totals, strict=True):
            made[place] = replace(several[place], resampled=resampled)
    return made


def _totals(several: Sequence[Clusters], resamples: int, seed: int) -> list[tuple[Floats, Floats]]:
    # All at once, and as 32-bit floats where these are exact: reading the draws is what takes the time.
    columns = np.stack([part for clusters in several for part in (clusters.sums, clusters.counts)], axis=-1)
    whole = bool((columns == np.rint(columns)).all()) and float(np.abs(columns).sum(axis=0).max()) < _EXACT
    sizes = several[0].sizes.tolist()
    drawn = _times(tuple(sizes), resamples, seed, "float32" if whole else "float64")
    of_strata = [
        (times @ columns[part].astype(times.dtype)).astype(np.float64).T * (size / (size - 1))
        for times, part, size in zip(drawn, several[0].bounds, sizes, strict=True)
    ]
    totals = [np.stack(column, axis=-1) for column in zip(*of_strata, strict=True)]
    return list(zip(totals[::2], totals[1::2], strict=True))


#: Sums of whole numbers, even where one prompt is drawn a thousand times, must stay
#: below 2^24, up to which 32-bit floats hold every whole number.
_EXACT = 2**24 / 1000


@lru_cache(maxsize=16)
def _times(sizes: tuple[int, ...], resamples: int, seed: int, kind: str) -> tuple[NDArray[Any], ...]:
    """One (B, K) matrix a stratum of how often each prompt is drawn; kept, as most runs of a report are of one size."""
    matrices = []
    for place, size in enumerate(sizes):
        drawn = np.random.default_rng((seed, place, size)).integers(size, size=(resamples, size - 1))
        cells = drawn + size * np.arange(resamples)[:, None]
        times = np.bincount(cells.ravel(), minlength=resamples * size).reshape(resamples, size)
        matrices.append(times.astype(kind))
    return tuple(matrices)

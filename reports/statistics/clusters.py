"""Values per image, gathered by prompt: what every statistic of a run is computed from.

The images of one prompt are not independent, so the *prompt* is the sampling unit (a cluster), and prompts
are drawn within *strata* (GenEval's tags). Sums and counts per prompt are all that ratio statistics need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """Which image is of which prompt, and which prompt of which stratum: worked out once for all values of a run."""

    strata: tuple[str, ...]
    sizes: Integers  #: (H,) number of prompts in each stratum
    places: Integers  #: (N,) place of each image's prompt, in the order of :class:`Clusters`
    prompts: tuple[tuple[str, str], ...]  #: (C,) stratum and identity of each prompt

    @classmethod
    def of(cls, prompts: Sequence[str], strata: Sequence[str], order: Sequence[str] | None = None) -> Layout:
        """Of (N,) images' prompts, which are looked at within their (N,) strata.
        ``order``: the strata in the order wanted; those without images are left out. Default: sorted by name.
        """
        return _layout(tuple(prompts), tuple(strata), tuple(order or ()))

    def where(self, chosen: NDArray[np.bool_]) -> Layout:
        """The same for (N,) chosen images alone; itself where all are."""
        if chosen.all():
            return self
        images = [self.prompts[place] for place in self.places[chosen]]
        return Layout.of([prompt for _, prompt in images], [stratum for stratum, _ in images], self.strata)

    def clusters(self, values: Sequence[Any] | NDArray[Any], weights: Sequence[int] | None = None) -> Clusters:
        """Add up (N,) values, all present, of each prompt.

        Args:
            weights: (N,) by what an image's value counts, one number a prompt; None for 1.
        """
        numbers = np.asarray(values, dtype=np.float64) * (1 if weights is None else np.asarray(weights))
        size = len(self.prompts)
        images = np.bincount(self.places, minlength=size)
        own = np.ones_like(images)
        own[self.places] = 1 if weights is None else weights
        return Clusters(
            strata=self.strata,
            sizes=self.sizes,
            counts=images * own,
            sums=_added_up(self.places, numbers, size),
            squares=_added_up(self.places, numbers * numbers, size),
            weights=None if weights is None else own,
        )


@lru_cache(maxsize=4)
def _layout(prompts: tuple[str, ...], strata: tuple[str, ...], order: tuple[str, ...]) -> Layout:
    """Kept, as most runs of a report have the same prompts."""
    present = set(strata)
    names = tuple(name for name in (order or sorted(present)) if name in present)
    rank = {name: place for place, name in enumerate(names)}
    images = list(zip(strata, prompts, strict=True))
    clusters = sorted(set(images), key=lambda cluster: (rank[cluster[0]], cluster[1]))
    place_of = {cluster: place for place, cluster in enumerate(clusters)}
    ranks = np.asarray([rank[stratum] for stratum, _ in clusters], dtype=np.int64)
    return Layout(
        strata=names,
        sizes=np.bincount(ranks, minlength=len(names)),
        places=np.fromiter(map(place_of.__getitem__, images), dtype=np.int64, count=len(images)),
        prompts=tuple(clusters),
    )


@dataclass(frozen=True, eq=False)
class Clusters:
    """Per-prompt totals, ordered by stratum, then by prompt."""

    #: strata, sizes: as of :class:`Layout`.
    strata: tuple[str, ...]
    sizes: Integers
    counts: Integers  #: (C,) images with a value, per prompt; at least 1; times the weight
    #: sums, squares: (C,) of the values, weighted, and of their squares, per prompt.
    sums: Floats
    squares: Floats
    #: (B, H) sums and (B, H) counts of resampled prompts, where they have been made already; see
    #: :func:`reports.statistics.resampling.resample_together`.
    resampled: tuple[Floats, Floats] | None = None
    #: (C,) by what an image's value counts, as where it is a mean over so many questions; None for 1.
    weights: Integers | None = None

    @classmethod
    def gather(
        cls,
        prompts: Sequence[str],
        strata: Sequence[str],
        values: Sequence[Any] | NDArray[Any],
        order: Sequence[str] | None = None,
        weights: Sequence[int] | None = None,
    ) -> Clusters:
        """Add up (N,) values, all present, of each prompt; see :meth:`Layout.of` and :meth:`Layout.clusters`.

        The result does not depend on the order of the rows, up to the rounding of sums of floats.
        """
        return Layout.of(prompts, strata, order).clusters(values, weights)

    @property
    def images(self) -> Integers:
        """(C,) images with a value, per prompt."""
        return self.counts if self.weights is None else self.counts // self.weights

    @cached_property
    def bounds(self) -> list[slice]:
        """Where each stratum's prompts lie in the per-prompt arrays."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def stratum_of(self) -> Integers:
        """(C,) index of each prompt's stratum."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def totals(self) -> tuple[Floats, Floats]:
        """(H,) sums of values and (H,) numbers of images, per stratum."""
        return self.per_stratum(self.sums), self.per_stratum(self.counts)

    def per_stratum(self, per_prompt: NDArray[Any]) -> Floats:
        """(C,) numbers per prompt, added up to (H,) per stratum."""
        return _added_up(self.stratum_of, per_prompt, len(self.sizes))

    def estimable(self) -> bool:
        """Whether a sampling variance can be estimated: two prompts or more in every stratum."""
        return self.sizes.size > 0 and int(self.sizes.min()) >= 2

    def only(self, name: str) -> Clusters:
        """The prompts of one stratum; none where it has no images."""
        if name not in self.strata:
            return Clusters((name,), np.zeros(1, np.int64), self.counts[:0], self.sums[:0], self.squares[:0])
        place = self.strata.index(name)
        part = self.bounds[place]
        resampled = self.resampled and (self.resampled[0][:, [place]], self.resampled[1][:, [place]])
        sizes = self.sizes[place : place + 1]
        return Clusters((name,), sizes, self.counts[part], self.sums[part], self.squares[part], resampled)

    def prompts_where(self, holds: NDArray[np.bool_]) -> Clusters:
        """One verdict a prompt instead of one an image: ``holds`` has shape (C,)."""
        verdicts = holds.astype(np.float64)
        return Clusters(self.strata, self.sizes, np.ones_like(self.counts), verdicts, verdicts)

    def merged(self) -> Clusters:
        """The same prompts in one stratum: for samples too small to be stratified."""
        sizes = self.sizes.sum(keepdims=True)
        return Clusters(("",), sizes, self.counts, self.sums, self.squares, weights=self.weights)


def _added_up(places: Integers, values: NDArray[Any], size: int) -> Floats:
    return np.bincount(places, weights=values, minlength=size).astype(np.float64)


def intraclass_correlation(clusters: Clusters) -> float | None:
    """ANOVA estimator of the correlation of two images of one prompt, pooled within strata.

    rho = (MSB - MSW) / (MSB + (n0 - 1) MSW), with MSB the mean square between prompts of a stratum, MSW within
    prompts, and n0 the effective number of images per prompt (Donner 1986, Int. Stat. Review 54:67-82). It can be
    slightly negative by chance.
    Returns None where it is not defined: one image a prompt, or no variation at all.
    """
    between_df = float((clusters.sizes - 1).sum())
    within_df = float((clusters.counts - 1).sum())
    if between_df <= 0 or within_df <= 0:
        return None
    sums, counts = clusters.totals()
    prompt_squares = clusters.sums**2 / clusters.counts
    mean_between = (prompt_squares.sum() - (sums**2 / counts).sum()) / between_df
    mean_within = (clusters.squares.sum() - prompt_squares.sum()) / within_df
    unevenness = (clusters.per_stratum(clusters.counts**2) / counts).sum()
    images_a_prompt = (counts.sum() - unevenness) / between_df
    spread = mean_between + (images_a_prompt - 1.0) * mean_within
    return float((mean_between - mean_within) / spread) if spread > 0 else None

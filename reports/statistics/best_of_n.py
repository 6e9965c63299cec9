"""Best of N: the reward expected when the best of N images of a prompt is kept, exactly rather than by chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray


def sizes_up_to(most: int) -> list[int]:
    """1, 2, 4, ... and ``most`` itself; nothing up to 0."""
    return sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)} - {0})


def usual_size(counts: Sequence[int]) -> int:
    """The largest number of images that half of the prompts have, of (P,) counts; a few have more by padding."""
    return sorted(counts, reverse=True)[(len(counts) - 1) // 2] if counts else 0


def expected_best(values: Sequence[float] | NDArray[np.float64], size: int) -> float:
    """Expectation of the largest of ``size`` values drawn without replacement, over all subsets.

    The k-th smallest of n values is the largest of C(k - 1, size - 1) of the C(n, size) subsets: the unbiased
    estimator that Chen et al. 2021 (arXiv 2107.03374) use for pass@k, for values instead of verdicts. ``values`` are
    (n,), all present; ``size`` is from 1 to n.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    weights = np.array([comb(place, size - 1) for place in range(len(ordered))], dtype=np.float64)
    return float(ordered @ weights) / comb(len(ordered), size)


def expected_of_best(selector: NDArray[np.float64], targets: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Expectation of other values of the image that is best by ``selector``, over all subsets of ``size`` images.

    The same weights as :func:`expected_best`; among images equal by the selector, each is as likely to be kept.
    ``selector`` is (n,), ``targets`` are (n, T) and give (T,); all are present, and ``size`` is from 1 to n.
    """
    levels, level_of, counts = np.unique(selector, return_inverse=True, return_counts=True)
    means = np.zeros((len(levels), targets.shape[1]))
    np.add.at(means, level_of, targets)
    means /= counts[:, None]
    # Subsets whose best is of this level: those within it and below, less those wholly below.
    up_to = np.cumsum(counts)
    subsets = np.array([comb(int(place), size) for place in (0, *up_to)], dtype=np.float64)
    weights = np.diff(subsets) / comb(len(selector), size)
    return np.asarray(weights @ means, dtype=np.float64)

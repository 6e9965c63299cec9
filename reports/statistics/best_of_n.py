"""Best of N: the reward expected when the best of N images of a prompt is kept, exactly rather than by chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray


def expected_best(values: Sequence[float] | NDArray[np.float64], size: int) -> float:
    """Expectation of the largest of ``size`` values drawn without replacement, over all subsets.

    The k-th smallest of n values is the largest of C(k - 1, size - 1) of the C(n, size) subsets: the unbiased
    estimator that Chen et al. 2021 (arXiv 2107.03374) use for pass@k, for values instead of verdicts.

    Args:
        values: (n,) all present.
        size: from 1 to n.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    weights = np.array([comb(place, size - 1) for place in range(len(ordered))], dtype=np.float64)
    return float(ordered @ weights) / comb(len(ordered), size)

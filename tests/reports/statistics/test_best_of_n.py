from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest

from reports.statistics.best_of_n import expected_best


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_expectation_over_all_subsets(size: int) -> None:
    values = [0.3, -1.0, 2.5, 2.5, 0.0]
    assert expected_best(values, size) == pytest.approx(fmean(max(subset) for subset in combinations(values, size)))

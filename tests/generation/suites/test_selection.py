"""Shortened runs."""

from __future__ import annotations

import pytest

from generation.suites import SUITES, limit_indices
from harness.errors import UserError
from harness.vocabulary import TAGS


@pytest.mark.parametrize("limit", [6, 7, 10, 25, 100, 552])
def test_every_limit_from_six_reaches_all_tags(limit: int) -> None:
    indices = limit_indices(553, limit)
    assert len(set(indices)) == limit
    assert indices == sorted(indices)
    assert {SUITES["geneval"].lines[index]["tag"] for index in indices} == set(TAGS)


@pytest.mark.parametrize("limit", [None, 553, 9999])
def test_no_limit_means_all(limit: int | None) -> None:
    assert limit_indices(553, limit) == list(range(553))


def test_zero_is_refused() -> None:
    with pytest.raises(UserError, match="at least one"):
        limit_indices(553, 0)

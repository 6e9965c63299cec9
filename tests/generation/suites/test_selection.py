"""Shortened runs."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from generation.suites import SUITES, limit_indices
from wire.errors import UserError
from wire.stratified import stratified_order
from wire.vocabulary import TAGS

LINES = SUITES["geneval"].lines


def tags(indices: list[int]) -> Counter[str]:
    return Counter(LINES[index]["tag"] for index in indices)


@pytest.mark.parametrize("limit", [6, 7, 10, 25, 100, 552])
def test_every_limit_has_the_tags_in_the_suite_s_proportions(limit: int) -> None:
    indices = limit_indices(LINES, limit)
    assert len(set(indices)) == limit
    assert indices == sorted(indices)
    whole, part = tags(list(range(553))), tags(indices)
    assert set(part) == set(TAGS)
    assert all(abs(part[tag] - whole[tag] * limit / 553) <= 1 for tag in TAGS)


def test_a_longer_run_holds_every_shorter_one() -> None:
    held: set[int] = set()
    for limit in range(1, 554):
        indices = set(limit_indices(LINES, limit))
        assert held < indices
        held = indices


def test_the_prompts_are_the_same_everywhere() -> None:
    """Pinned: a saved baseline stays paired with shortened runs of later versions."""
    assert limit_indices(LINES, 8) == [66, 175, 207, 330, 439, 443, 523, 534]


def test_neighbours_in_the_suite_are_not_neighbours_in_the_order() -> None:
    colors = [
        index for index in stratified_order([(line["tag"], line["prompt"]) for line in LINES]) if 259 <= index < 353
    ]
    steps = [second - first for first, second in itertools.pairwise(colors)]
    assert len(colors) == 94
    assert sum(step > 0 for step in steps) in range(30, 64)


def test_a_suite_without_tags_is_one_stratum() -> None:
    lines = [{"prompt": f"prompt {number}"} for number in range(40)]
    assert limit_indices(lines, 10) != list(range(10))
    assert set(limit_indices(lines, 10)) < set(limit_indices(lines, 20))
    assert limit_indices([{"prompt": "twice"}] * 3, 2) == [0, 1]


@pytest.mark.parametrize("limit", [None, 553, 9999])
def test_no_limit_means_all(limit: int | None) -> None:
    assert limit_indices(LINES, limit) == list(range(553))


def test_zero_is_refused() -> None:
    with pytest.raises(UserError, match="at least one"):
        limit_indices(LINES, 0)

from __future__ import annotations

import numpy as np

from reports.statistics.clusters import Clusters


def test_totals_per_prompt_and_stratum() -> None:
    clusters = Clusters.gather(["a", "b", "a", "a", "c"], ["x", "x", "y", "x", "y"], [1, 0, 1, 1, 3])
    assert clusters.strata == ("x", "y")
    assert clusters.sizes.tolist() == [2, 2]
    assert clusters.sums.tolist() == [2, 0, 1, 3]
    assert clusters.counts.tolist() == [2, 1, 1, 1]
    assert clusters.squares.tolist() == [2, 0, 1, 9]
    assert [total.tolist() for total in clusters.totals()] == [[2, 4], [3, 2]]


def test_order_of_strata_and_of_rows() -> None:
    prompts, tags, values = ["p", "q", "r"], ["colors", "counting", "colors"], [1.0, 0.0, 1.0]
    order = ["counting", "position", "colors"]
    forward = Clusters.gather(prompts, tags, values, order)
    backward = Clusters.gather(prompts[::-1], tags[::-1], values[::-1], order)
    assert forward.strata == backward.strata == ("counting", "colors")
    assert np.array_equal(forward.sums, backward.sums)


def test_one_stratum() -> None:
    clusters = Clusters.gather(["a", "b", "c"], ["x", "y", "y"], [1, 2, 3])
    assert clusters.only("y").sums.tolist() == [2, 3]
    assert clusters.only("y").sizes.tolist() == [2]
    assert clusters.only("absent").counts.size == 0


def test_two_prompts_make_a_variance() -> None:
    lonely = Clusters.gather(["a", "b", "c"], ["x", "y", "y"], [1, 2, 3])
    assert not lonely.estimable()
    assert lonely.merged().estimable()
    assert not Clusters.gather([], [], []).merged().estimable()

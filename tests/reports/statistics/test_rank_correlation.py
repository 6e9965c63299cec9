from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from reports.statistics.correlation import rank_correlation


def made(generator: np.random.Generator, shared: float, prompts: int = 60) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Four images per prompt, of which prompt and image each move both values."""
    prompt, image = generator.normal(size=(prompts, 1, 1)), generator.normal(size=(prompts, 4, 1))
    values = shared * (prompt + image) + generator.normal(size=(prompts, 4, 2))
    return [str(place // 4) for place in range(4 * prompts)], *values.reshape(-1, 2).T


def test_the_value_is_scipys_also_with_ties() -> None:
    prompts, first, second = made(np.random.default_rng(1), 0.7)
    for digits in (8, 0):
        found = rank_correlation(prompts, first.round(digits), second.round(digits))
        assert found is not None
        assert found[0] == pytest.approx(stats.spearmanr(first.round(digits), second.round(digits)).statistic)


def test_the_interval_holds_the_truth_in_about_95_of_100_samples() -> None:
    generator = np.random.default_rng(2)
    truth = float(stats.spearmanr(*made(generator, 0.7, 40_000)[1:]).statistic)
    held = 0
    for _ in range(200):
        found = rank_correlation(*made(generator, 0.7))
        assert found is not None
        assert found[1] is not None
        held += found[1][0] <= truth <= found[1][1]
    assert 0.90 <= held / 200 <= 0.99


def test_nothing_is_said_of_what_cannot_be_known() -> None:
    assert rank_correlation(["a", "b"], np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert rank_correlation(["a"] * 3, np.ones(3), np.arange(3.0)) is None
    assert rank_correlation(["a"] * 3, np.arange(3.0), np.arange(3.0)) == (1.0, None)

from __future__ import annotations

import numpy as np
import pytest

from reports.gate.policy import read_policy
from reports.gate.study import simulate, simulated_differences, study
from reports.statistics.estimators import MEAN_OF_STRATA

SWEEPS = 100


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_the_simulated_drop_is_the_true_one(drop: float) -> None:
    generator = np.random.default_rng(1)
    drops = [-float(MEAN_OF_STRATA.value(*simulated_differences(generator, 0.4, drop).totals())) for _ in range(SWEEPS)]
    error = float(np.std(drops) / np.sqrt(SWEEPS))
    assert abs(np.mean(drops) - drop) < 4 * error
    assert error < 0.002


def test_no_drop_seldom_fails_and_a_large_one_does() -> None:
    policy = read_policy(None)
    # Under a level of 5 %, 100 gates have more than 14 failures with a chance of 1 in 10,000.
    assert simulate(SWEEPS, 0.4, 0.0, policy)["gate fails"] <= 14
    large = simulate(SWEEPS, 0.4, 0.1, policy)
    assert large["gate fails"] == SWEEPS
    assert large["overall passes"] == 0


def test_the_study_is_rerunnable() -> None:
    text = study(2)
    assert text == study(2)
    assert text.startswith("2 simulated pairs each")
    assert text.count("| 0.05 |") == 2

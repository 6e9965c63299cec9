from __future__ import annotations

import numpy as np
import pytest

from bench.studies import gate as study
from bench.studies import gate_looks as study_looks
from bench.studies.simulation import beginning, prompts_at_look, simulated_differences
from reports.gate.policy import read_policy
from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.intervals import MEAN_OF_STRATA

SWEEPS = 60


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_the_simulated_drop_is_the_true_one(drop: float) -> None:
    generator = np.random.default_rng(1)
    drops = [-float(MEAN_OF_STRATA.value(*simulated_differences(generator, 0.4, drop).totals())) for _ in range(SWEEPS)]
    error = float(np.std(drops) / np.sqrt(SWEEPS))
    assert abs(np.mean(drops) - drop) < 4 * error
    assert error < 0.002


def test_no_drop_seldom_fails_and_a_large_one_does() -> None:
    policy = read_policy(None)
    # Under a level of 5 %, 60 gates have more than 11 failures with a chance of 1 in 10,000.
    assert study.simulate(SWEEPS, 0.4, 0.0, study.once(policy)).get("gate fails", 0.0) <= 11 / 60
    large = study.simulate(SWEEPS, 0.4, 0.1, study.once(policy))
    assert large["gate fails"] == 1.0
    assert "overall passes" not in large


def test_a_large_drop_ends_a_growing_sweep_early() -> None:
    large = study.simulate(30, 0.4, 0.15, study_looks.growing)
    assert large["1 gate fails"] == large["3 gate fails"] == 1.0
    assert large["1 stops at 100"] > 0.8
    assert large.get("3 stops at 100", 0.0) < large["1 stops at 100"]
    none = study.simulate(20, 0.4, 0.0, study_looks.growing)
    assert none["1 stops at 553"] > 0.7


def test_the_beginning_of_a_sweep_has_its_tags_in_proportion() -> None:
    assert prompts_at_look(553) == tuple(PROMPTS_PER_TAG.values())
    sizes = prompts_at_look(100)
    assert sum(sizes) == 100
    whole = simulated_differences(np.random.default_rng(1), 0.4, 0.0)
    part = beginning(whole, sizes)
    assert part.only("colors").sums.tolist() == whole.only("colors").sums[: sizes[3]].tolist()


def test_the_studies_are_rerunnable() -> None:
    for tables in (study.errors, study.caution, study.power, study.alike, study_looks.errors, study_looks.power):
        text = tables(2)
        assert text == tables(2)
        assert text.startswith("| ")

"""The study itself runs 2,000 sweeps; here a few show that it measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from bench.studies.intervals import ACCURACIES, interval_coverage, null_levels, simulated_sweep, study
from reports.statistics.clusters import intraclass_correlation


@pytest.mark.parametrize("correlation", [0.1, 0.4])
def test_sweeps_correlate_as_asked(correlation: float) -> None:
    generator = np.random.default_rng(0)
    sweeps = [simulated_sweep(generator, correlation) for _ in range(20)]
    found = [intraclass_correlation(sweep) or 0.0 for sweep in sweeps]
    assert np.mean(found) == pytest.approx(correlation, abs=0.02)
    accuracies = np.mean([sums / counts for sums, counts in (sweep.totals() for sweep in sweeps)], axis=0)
    assert accuracies == pytest.approx(ACCURACIES, abs=0.03)


def test_shares_are_of_sweeps() -> None:
    held = interval_coverage(40, 0.4)
    assert min(held.values()) > 0.8
    levels = null_levels(40, 0.4)
    assert levels["t test, p < 0.05"] < 0.2
    assert levels["paired interval holds 0"] > 0.8


def test_the_printed_tables() -> None:
    lines = study(3).splitlines()
    assert lines[0] == "3 simulated sweeps each; share in per cent."
    assert sum(line.startswith("| overall") for line in lines) == 2

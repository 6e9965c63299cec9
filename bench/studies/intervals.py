"""Do the 95 % intervals cover, and does the paired test hold its level? Simulated sweeps whose truth is known.

    python -m bench.studies.intervals [--sweeps 2000]

prints the tables of ``docs/statistics.md``. GenEval's 553 prompts in their tags, four images each; a prompt's chance
of a correct image is beta distributed about its tag's accuracy, so that two images of one prompt correlate as asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np

from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.clusters import Clusters, Floats
from reports.statistics.intervals import MEAN_OF_STRATA, Estimator, macro_interval, mean_interval, standard_error
from reports.statistics.paired import paired_difference
from reports.statistics.resampling import SEED
from wire.vocabulary import TAGS

#: Sign flips of the permutation check; a p value of 0.05 then has a standard error of 0.005.
FLIPS = 2000
SIZES = np.array(list(PROMPTS_PER_TAG.values()))
#: Tag accuracies like those of a typical model, one of them near 1.
ACCURACIES = np.array([0.97, 0.7, 0.5, 0.8, 0.15, 0.3])
CORRELATIONS = (0.1, 0.4)
SAMPLES = 4
#: Two-sided normal quantile of the analytic interval.
NORMAL = 1.959964


def simulated_sweep(generator: np.random.Generator, correlation: float) -> Clusters:
    """One sweep: beta-binomial counts of correct images, with the given correlation within prompts."""
    return _drawn(generator, _chances(generator, correlation))


def simulated_pair(
    generator: np.random.Generator, correlation: float, shift: float = 0.0
) -> tuple[Clusters, Clusters, Clusters]:
    """Two runs on the same prompts, each with four fifths of its prompts as hard as in general; their differences.

    Args:
        shift: how much better the second's overall score is: the same share of wrong images of each tag is right.
    """
    shared = _chances(generator, correlation)
    own = [_mixed(generator, shared, _chances(generator, correlation)) for _ in range(2)]
    first = _drawn(generator, own[0])
    second = _drawn(generator, own[1] + (1.0 - own[1]) * shift / (1.0 - ACCURACIES.mean()))
    differences = second.sums - first.sums
    return first, second, Clusters(TAGS, SIZES, first.counts, differences, differences**2)


def _chances(generator: np.random.Generator, correlation: float) -> Floats:
    expected = np.repeat(ACCURACIES, SIZES)
    strength = (1.0 - correlation) / correlation
    return generator.beta(expected * strength, (1.0 - expected) * strength)


def _mixed(generator: np.random.Generator, shared: Floats, own: Floats) -> Floats:
    return np.where(generator.random(shared.size) < 0.8, shared, own)


def _drawn(generator: np.random.Generator, chances: Floats) -> Clusters:
    sums = generator.binomial(SAMPLES, chances).astype(np.float64)
    return Clusters(TAGS, SIZES, np.full(sums.size, SAMPLES), sums, sums)


def interval_coverage(sweeps: int, correlation: float, seed: int = 20) -> dict[str, float]:
    """Share of sweeps whose interval holds the true value: overall, its analytic check, pooled, and each tag."""
    generator = np.random.default_rng((seed, int(100 * correlation)))
    truth = {"overall": float(ACCURACIES.mean()), "overall, analytic": float(ACCURACIES.mean())}
    truth |= {"pooled": float((ACCURACIES * SIZES).sum() / SIZES.sum()), **dict(zip(TAGS, ACCURACIES, strict=True))}
    held = dict.fromkeys(truth, 0)
    for _ in range(sweeps):
        for name, low, high in _intervals(simulated_sweep(generator, correlation)):
            held[name] += low <= truth[name] <= high
    return {name: count / sweeps for name, count in held.items()}


def _intervals(sweep: Clusters) -> Iterator[tuple[str, float, float]]:
    found = {"overall": macro_interval(sweep), "pooled": mean_interval(sweep, proportion=True)}
    found |= {tag: mean_interval(sweep.only(tag), proportion=True) for tag in TAGS}
    for name, interval in found.items():
        if interval is not None:
            yield name, interval.low, interval.high
    center = float(MEAN_OF_STRATA.value(*sweep.totals()))
    half = NORMAL * standard_error(sweep, MEAN_OF_STRATA)
    yield "overall, analytic", center - half, center + half


def null_levels(sweeps: int, correlation: float, seed: int = 21) -> dict[str, float]:
    """Under no true difference: how often p < 0.05, by the t test and by sign flips, and how often 0 is covered."""
    generator = np.random.default_rng((seed, int(100 * correlation)))
    counts = {"t test, p < 0.05": 0, "sign flips, p < 0.05": 0, "paired interval holds 0": 0}
    for _ in range(sweeps):
        differences = simulated_pair(generator, correlation)[2]
        paired = paired_difference(differences, MEAN_OF_STRATA)
        if paired is None or paired.interval is None:
            raise AssertionError("553 prompts always give an interval")
        counts["t test, p < 0.05"] += paired.p_value < 0.05
        counts["sign flips, p < 0.05"] += sign_flip_p_value(differences, MEAN_OF_STRATA, flips=400) < 0.05
        counts["paired interval holds 0"] += paired.interval.low <= 0.0 <= paired.interval.high
    return {name: count / sweeps for name, count in counts.items()}


def study(sweeps: int) -> str:
    """Both tables, as Markdown."""
    lines = [f"{sweeps:,} simulated sweeps each; share in per cent.", ""]
    for title, measure in (
        ("95 % interval of", interval_coverage),
        ("two runs without a true difference", null_levels),
    ):
        columns = [measure(sweeps, correlation) for correlation in CORRELATIONS]
        lines.append(f"| {title} | {' | '.join(f'correlation {value}' for value in CORRELATIONS)} |")
        lines.append(f"|---|{'--:|' * len(columns)}")
        lines += [
            f"| {name} | {' | '.join(f'{100 * column[name]:.1f}' for column in columns)} |" for name in columns[0]
        ]
        lines.append("")
    return "\n".join(lines)


def sign_flip_p_value(differences: Clusters, estimator: Estimator, flips: int = FLIPS, seed: int = SEED) -> float:
    """Permutation check of the t test: whole prompts swap the two runs at random.

    Exact where the two runs are exchangeable within each prompt; it cannot fall below 1 / (flips + 1), which a Holm
    correction over a long table would need, so tables use the t test.
    """
    generator = np.random.default_rng((seed, flips))
    signs = generator.choice((-1.0, 1.0), size=(flips, differences.sums.size))
    flipped = np.stack([signs[:, part] @ differences.sums[part] for part in differences.bounds], axis=-1)
    sums, counts = differences.totals()
    # Room for rounding: sums of the same numbers in another order must count as equal.
    observed = abs(float(estimator.value(sums, counts))) * (1.0 - 1e-9)
    extreme = int((np.abs(estimator.value(flipped, counts)) >= observed).sum())
    return (extreme + 1) / (flips + 1)


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals and level of the paired test.")
    parser.add_argument("--sweeps", type=int, default=2000)
    sys.stdout.write(study(parser.parse_args().sweeps))


if __name__ == "__main__":
    main()

"""How often does the gate fail a good checkpoint, and how often does it catch a worse one? Simulated, truth known.

    python -m reports.gate.study [--sweeps 2000]

prints the tables of ``docs/gate.md``. GenEval's 553 prompts in their tags, four images each, judged by the default
policy. A prompt's chance of a correct image is beta distributed about its tag's accuracy, so that its images correlate
as asked; four fifths of the prompts are as hard for the candidate as for the baseline, the others anew. A true drop
lowers the expected accuracy of every tag, and so the overall score, by that much.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.vocabulary import TAGS
from reports.gate.decision import Judgement, Measured, Outcome, judge
from reports.gate.evidence import Evidence
from reports.gate.policy import Policy, read_policy
from reports.statistics.clusters import Clusters, Floats
from reports.statistics.estimators import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.intervals import standard_error
from reports.suite import PROMPTS_PER_TAG

SIZES = np.array(list(PROMPTS_PER_TAG.values()))
#: Tag accuracies like those of a typical model, one of them near 1.
ACCURACIES = np.array([0.97, 0.7, 0.5, 0.8, 0.15, 0.3])
CORRELATIONS = (0.1, 0.4)
SAMPLES = 4
SHARED = 0.8
DROPS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)
OVERALL_MARGIN, TAG_MARGIN = 0.02, 0.05


def simulated_differences(generator: np.random.Generator, correlation: float, drop: float) -> Clusters:
    """Candidate minus baseline of one pair of sweeps.

    Args:
        correlation: of the verdicts of one prompt's images.
        drop: by how much the candidate's expected accuracy is lower in every tag; at most the smallest accuracy.
    """
    shared = _chances(generator, correlation)
    first, second = (_mixed(generator, shared, _chances(generator, correlation)) for _ in range(2))
    worse = second * (1.0 - drop / np.repeat(ACCURACIES, SIZES))
    differences = _correct(generator, worse) - _correct(generator, first)
    return Clusters(TAGS, SIZES, np.full(differences.size, SAMPLES), differences, differences**2)


def _chances(generator: np.random.Generator, correlation: float) -> Floats:
    expected = np.repeat(ACCURACIES, SIZES)
    strength = (1.0 - correlation) / correlation
    return generator.beta(expected * strength, (1.0 - expected) * strength)


def _mixed(generator: np.random.Generator, shared: Floats, own: Floats) -> Floats:
    return np.where(generator.random(shared.size) < SHARED, shared, own)


def _correct(generator: np.random.Generator, chances: Floats) -> Floats:
    return generator.binomial(SAMPLES, chances).astype(np.float64)


def judged(differences: Clusters, policy: Policy) -> list[Judgement]:
    """The judgements of one pair of sweeps: overall, then the tags."""
    measured = [_measured("overall", differences, MEAN_OF_STRATA)]
    measured += [_measured(tag, differences.only(tag), RATIO_OF_TOTALS) for tag in TAGS]
    return judge(measured, policy)


def _measured(metric: str, differences: Clusters, estimator: Estimator) -> Measured:
    difference = float(estimator.value(*differences.totals()))
    prompts = int(differences.sizes.sum())
    flips = min(1.0, 2.0 ** (1.0 - np.count_nonzero(differences.sums)))
    freedom = prompts - len(differences.sizes)
    error = standard_error(differences, estimator)
    return Measured(metric, difference, Evidence(difference, error, prompts, freedom, flips), coverage=1.0)


def simulate(sweeps: int, correlation: float, drop: float, policy: Policy, seed: int = 30) -> Counter[str]:
    """Counts over simulated pairs: ``gate fails``, and ``METRIC OUTCOME`` for each metric."""
    generator = np.random.default_rng((seed, round(1000 * correlation), round(1000 * drop)))
    counts: Counter[str] = Counter()
    for _ in range(sweeps):
        judgements = judged(simulated_differences(generator, correlation, drop), policy)
        counts["gate fails"] += any(one.fails for one in judgements)
        counts.update(f"{one.metric} {one.outcome.value}" for one in judgements)
    return counts


def error_rates(sweeps: int, correlation: float) -> dict[str, float]:
    """Shares of wrong verdicts, each where the truth makes them likeliest; all should be at most the level."""
    policy = read_policy(None)
    lenient = {name: {**table, "tolerated": OVERALL_MARGIN} for name, table in policy.metrics.items()}
    uncorrected = replace(policy, correction="none")
    none = simulate(sweeps, correlation, 0.0, policy)
    at_margin = simulate(sweeps, correlation, OVERALL_MARGIN, policy)
    at_tag_margin = simulate(sweeps, correlation, TAG_MARGIN, policy)
    tolerated = simulate(sweeps, correlation, OVERALL_MARGIN, replace(policy, metrics=lenient))
    passes = Outcome.PASSES.value
    return {
        "gate fails, no true drop": none["gate fails"] / sweeps,
        "gate fails, true drop 0.02 everywhere, `tolerated = 0.02`": tolerated["gate fails"] / sweeps,
        "overall passes, true drop 0.02 (its margin)": at_margin[f"overall {passes}"] / sweeps,
        **{f"{tag} passes, true drop 0.05 (its margin)": at_tag_margin[f"{tag} {passes}"] / sweeps for tag in TAGS},
        'for comparison: gate fails, no true drop, `correction = "none"`': simulate(
            sweeps, correlation, 0.0, uncorrected
        )["gate fails"]
        / sweeps,
    }


def power(sweeps: int, correlation: float) -> Iterator[tuple[float, list[float]]]:
    """For each true drop: shares of overall passes, cannot tell, fails; and of the gate failing."""
    policy = read_policy(None)
    keys = [f"overall {outcome.value}" for outcome in (Outcome.PASSES, Outcome.CANNOT_TELL, Outcome.FAILS)]
    for drop in DROPS:
        counts = simulate(sweeps, correlation, drop, policy)
        yield drop, [counts[key] / sweeps for key in (*keys, "gate fails")]


def study(sweeps: int) -> str:
    """Both tables, as Markdown."""
    lines = [f"{sweeps:,} simulated pairs each; shares in per cent.", ""]
    lines += _header("wrong verdicts", [f"correlation {value}" for value in CORRELATIONS])
    columns = [error_rates(sweeps, correlation) for correlation in CORRELATIONS]
    lines += [_row(name, [column[name] for column in columns]) for name in columns[0]]
    for correlation in CORRELATIONS:
        header = ["overall passes", "cannot tell", "fails", "gate fails"]
        lines += ["", *_header(f"true drop, correlation {correlation}", header)]
        lines += [_row(f"{drop:g}", shares) for drop, shares in power(sweeps, correlation)]
    return "\n".join(lines) + "\n"


def _header(title: str, columns: Sequence[str]) -> list[str]:
    return [f"| {title} | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]


def _row(name: str, shares: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |"


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser(description="Error rates and power of the gate's default policy.")
    parser.add_argument("--sweeps", type=int, default=2000)
    sys.stdout.write(study(parser.parse_args().sweeps))


if __name__ == "__main__":
    main()

"""How often does the gate fail a good checkpoint, and how often does it catch a worse one? Simulated, truth known.

    python -m bench.studies.gate errors [--sweeps 10000]
    python -m bench.studies.gate caution [--sweeps 10000]
    python -m bench.studies.gate power [--sweeps 2000]
    python -m bench.studies.gate alike [--sweeps 2000]

prints tables of ``docs/gate.md``, made by :mod:`bench.studies.simulation` and judged by the default policy.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.studies.simulation import SAMPLES, SHARED, SIZES, evidence, judged, simulated_differences, tag_evidence
from reports.gate.decision import Outcome
from reports.gate.evidence import RESERVE
from reports.gate.policy import Policy, read_policy
from reports.statistics.clusters import Clusters
from wire.vocabulary import TAGS

CORRELATIONS = (0.1, 0.4)
#: Shares of prompts that are as hard for both runs: other models, the usual case, two checkpoints of one training.
SHARES_ALIKE = (0.0, 0.5, SHARED, 1.0)
DROPS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)
#: Of overall and of tags, in the default policy.
MARGINS = (0.02, 0.05)
GATE_FAILS = "gate fails"
LEVEL = 0.05
SEED = 30
#: What a pair of sweeps is counted under.
Count = Callable[[Clusters], Iterable[str]]


def simulate(sweeps: int, correlation: float, drop: float, count: Count, alike: float = SHARED) -> dict[str, float]:
    """Share of pairs that are counted under each name; the same arguments give the same pairs."""
    counts = Counter(name for pair in _pairs(sweeps, correlation, drop, alike) for name in count(pair))
    return {name: number / sweeps for name, number in counts.items()}


def _pairs(sweeps: int, correlation: float, drop: float, alike: float = SHARED) -> Iterator[Clusters]:
    generator = np.random.default_rng((SEED, round(1000 * correlation), round(1000 * drop)))
    return (simulated_differences(generator, correlation, drop, alike) for _ in range(sweeps))


def once(policy: Policy) -> Count:
    """One look at the end: ``gate fails``, and ``METRIC OUTCOME`` for each metric."""

    def count(pair: Clusters) -> list[str]:
        judgements = judged(evidence(pair), policy)
        fails = [GATE_FAILS] if any(one.fails for one in judgements) else []
        return [*fails, *(f"{one.metric} {one.outcome.value}" for one in judgements)]

    return count


def errors(sweeps: int) -> str:
    """Shares of wrong verdicts, each where the truth makes them likeliest; all should be at most the level."""
    columns = [wrong_verdicts(sweeps, correlation) for correlation in CORRELATIONS]
    rows = {name: [column[name] for column in columns] for name in columns[0]}
    return table("wrong verdicts", [f"correlation {value}" for value in CORRELATIONS], rows)


def wrong_verdicts(sweeps: int, correlation: float) -> dict[str, float]:
    """By what is wrong, for one correlation of a prompt's images."""
    policy = read_policy(None)
    lenient = {name: {**rule, "tolerated": MARGINS[0]} for name, rule in policy.metrics.items()}
    none = simulate(sweeps, correlation, 0.0, once(policy))
    tolerated = simulate(sweeps, correlation, MARGINS[0], once(replace(policy, metrics=lenient)))
    overall, tags = (simulate(sweeps, correlation, margin, once(policy)) for margin in MARGINS)
    uncorrected = simulate(sweeps, correlation, 0.0, once(replace(policy, correction="none")))
    return {
        "gate fails, no true drop": none.get(GATE_FAILS, 0.0),
        "gate fails, true drop 0.02 everywhere, `tolerated = 0.02`": tolerated.get(GATE_FAILS, 0.0),
        **wrong_passes(overall, tags),
        'for comparison: gate fails, no true drop, `correction = "none"`': uncorrected.get(GATE_FAILS, 0.0),
    }


def wrong_passes(overall: Mapping[str, float], tags: Mapping[str, float], prefix: str = "") -> dict[str, float]:
    """How often a metric passes whose true drop is just its margin.

    Args:
        overall, tags: shares of :func:`simulate`, with true drops of ``MARGINS``.
        prefix: of their names.
    """
    passes = Outcome.PASSES.value
    return {
        "overall passes, true drop 0.02 (its margin)": overall.get(f"{prefix}overall {passes}", 0.0),
        **{f"{tag} passes, true drop 0.05 (its margin)": tags.get(f"{prefix}{tag} {passes}", 0.0) for tag in TAGS},
    }


def caution(sweeps: int) -> str:
    """Wrong passes of the gate's test beside those of a plain t test, where a plain one errs most."""
    few = [_ways(pair.only("position")) for pair in _pairs(sweeps, CORRELATIONS[-1], MARGINS[1])]
    lost = [_ways(pair.only("single_object")) for pair in _lost(sweeps, MARGINS[1])]
    rows = {
        "position passes, true drop 0.05, correlation 0.4": np.mean(few, axis=0).tolist(),
        "single_object passes, one prompt in 20 loses all, the others nothing": np.mean(lost, axis=0).tolist(),
    }
    return table("wrong verdicts at level 0.05", ["the gate's test", "without its reserve", "a plain t test"], rows)


def _lost(sweeps: int, share: float) -> Iterator[Clusters]:
    """Runs that agree but for a share of the prompts, all of whose images were right and are wrong."""
    generator = np.random.default_rng(31)
    prompts = int(SIZES.sum())
    for _ in range(sweeps):
        differences = np.where(generator.random(prompts) < share, -float(SAMPLES), 0.0)
        yield Clusters(TAGS, SIZES, np.full(prompts, SAMPLES), differences, SAMPLES * np.abs(differences))


def _ways(tag: Clusters) -> tuple[bool, bool, bool]:
    """Whether a tag passes by its margin: by the gate's test, by that without its reserve, and by a plain t test."""
    found, margin = tag_evidence(tag), MARGINS[1]
    plain = replace(found, degrees_of_freedom=found.prompts - 1.0, skewness=0.0, weight=None)
    p_value, plain_p_value = found.excludes_drop_beyond(margin), RESERVE * plain.excludes_drop_beyond(margin)
    return p_value < LEVEL, RESERVE * p_value < LEVEL, plain_p_value < LEVEL


def power(sweeps: int) -> str:
    """For each true drop, how often what is found."""
    outcomes = (Outcome.PASSES, Outcome.CANNOT_TELL, Outcome.FAILS)
    header = ["overall passes", "cannot tell", "fails", GATE_FAILS]
    keys = [*(f"overall {outcome.value}" for outcome in outcomes), GATE_FAILS]
    tables = []
    for correlation in CORRELATIONS:
        found = {f"{drop:g}": simulate(sweeps, correlation, drop, once(read_policy(None))) for drop in DROPS}
        rows = {drop: [shares.get(key, 0.0) for key in keys] for drop, shares in found.items()}
        tables.append(table(f"true drop, correlation {correlation}", header, rows))
    return "\n".join(tables)


def alike(sweeps: int) -> str:
    """How often a drop is found, for pairs of runs between which few or all prompts are equally hard."""
    rows = {}
    for drop in DROPS[2:6]:
        for correlation in CORRELATIONS:
            pairs = [simulate(sweeps, correlation, drop, once(read_policy(None)), share) for share in SHARES_ALIKE]
            rows[f"true drop {drop:g}, correlation {correlation}"] = [one.get(GATE_FAILS, 0.0) for one in pairs]
    return table("gate fails; prompts as hard for both", [f"{100 * share:g} %" for share in SHARES_ALIKE], rows)


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> str:
    """Markdown; shares become per cent with one decimal."""
    lines = [f"| {title} | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |" for name, shares in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Error rates and power of the gate's default policy.")
    studies = {"errors": (errors, 10000), "caution": (caution, 10000), "power": (power, 2000), "alike": (alike, 2000)}
    parser.add_argument("what", choices=studies)
    parser.add_argument("--sweeps", type=int)
    chosen = parser.parse_args()
    made, usual = studies[chosen.what]
    sys.stdout.write(made(chosen.sweeps or usual))


if __name__ == "__main__":
    main()

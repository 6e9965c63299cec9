"""The same for sweeps that are looked at while they grow: error rates, power, and how many prompts are spared.

    python -m bench.studies.gate_looks errors [--sweeps 3000]
    python -m bench.studies.gate_looks power [--sweeps 600]

Looks after 100, 200 and all 553 prompts; a wrong pass is counted whenever a metric passes at any look, whether or not
the gate would have stopped before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from bench.studies.gate import CORRELATIONS, GATE_FAILS, MARGINS, simulate, table, wrong_passes
from bench.studies.simulation import beginning, evidence, judged, prompts_at_look
from reports.gate.decision import Judgement, Outcome
from reports.gate.evidence import Evidence
from reports.gate.policy import Policy, read_policy
from reports.gate.sequential import planned_looks
from reports.read.suite import PROMPTS
from reports.statistics.clusters import Clusters
from wire.vocabulary import TAGS

LOOKS = (100, 200, PROMPTS)
SPENDING = (1.0, 3.0)
DROPS = (0.0, 0.02, 0.04, 0.06, 0.1, 0.15)
EVERY_ONE = "all pass"


def growing(pair: Clusters) -> list[str]:
    """Counts a pair of sweeps under ``SPENDING gate fails`` and so on; see :func:`_names`."""
    seen = [evidence(beginning(pair, prompts_at_look(prompts))) for prompts in LOOKS]
    return [f"{spending:g} {name}" for spending in SPENDING for name in _names(seen, spending)]


def _names(seen: Sequence[Mapping[str, Evidence]], spending: float) -> list[str]:
    """``gate fails`` or ``all pass``, and ``stops at N``, where it stops; ``METRIC passes`` at any look."""
    found: list[str] = []
    passed: dict[str, None] = {}
    earlier: dict[str, tuple[Evidence, ...]] = dict.fromkeys(("overall", *TAGS), ())
    for look, lines in zip(planned_looks(LOOKS, spending), seen, strict=True):
        shared = {metric: replace(one, share=look.share) for metric, one in lines.items()}
        so_far = {metric: replace(one, earlier=earlier[metric]) for metric, one in shared.items()}
        judgements = judged(so_far, _policy(), interim=not look.last)
        passed |= dict.fromkeys(f"{one.metric} passes" for one in judgements if one.outcome is Outcome.PASSES)
        found = found or _stop(judgements, look.prompts, look.last)
        earlier = {metric: (*earlier[metric], one) for metric, one in shared.items()}
    return [*found, *passed]


@cache
def _policy() -> Policy:
    return read_policy(None)


def _stop(judgements: Sequence[Judgement], prompts: int, last: bool) -> list[str]:
    fails, all_pass = any(one.fails for one in judgements), all(one.certain for one in judgements)
    what = [GATE_FAILS] if fails else [EVERY_ONE] if all_pass else []
    return [f"stops at {prompts}", *what] if what or last else []


def errors(sweeps: int) -> str:
    """Shares of wrong verdicts by the spending of the level; all should be at most the level."""
    tables = []
    for correlation in CORRELATIONS:
        none, overall, tags = (simulate(sweeps, correlation, drop, growing) for drop in (0.0, *MARGINS))
        columns = []
        for spending in SPENDING:
            fails = {"gate fails at any look, no true drop": none.get(f"{spending:g} {GATE_FAILS}", 0.0)}
            columns.append(fails | wrong_passes(overall, tags, f"{spending:g} "))
        rows = {name: [column[name] for column in columns] for name in columns[0]}
        header = [f"spending {value:g}" for value in SPENDING]
        tables.append(table(f"wrong verdicts, correlation {correlation}", header, rows))
    return "\n".join(tables)


def power(sweeps: int) -> str:
    """For each true drop, how the gate ends, and where."""
    correlation = CORRELATIONS[-1]
    header = [GATE_FAILS, EVERY_ONE, *(f"stops at {prompts}" for prompts in LOOKS), "prompts needed, mean"]
    shares = {drop: simulate(sweeps, correlation, drop, growing) for drop in DROPS}
    tables = []
    for spending in SPENDING:
        rows = {f"{drop:g}": _ends(shares[drop], f"{spending:g} ", header[:-1]) for drop in DROPS}
        tables.append(table(f"true drop, spending {spending:g}, correlation {correlation}", header, rows))
    return "\n".join(tables)


def _ends(shares: Mapping[str, float], prefix: str, names: Sequence[str]) -> list[float]:
    """Shares of the ways to end, and the mean share of prompts that were needed."""
    mean = sum(shares.get(f"{prefix}stops at {prompts}", 0.0) * prompts / PROMPTS for prompts in LOOKS)
    return [*(shares.get(prefix + name, 0.0) for name in names), mean]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Error rates and power of the gate over several looks.")
    parser.add_argument("what", choices=("errors", "power"))
    parser.add_argument("--sweeps", type=int)
    chosen = parser.parse_args()
    text = errors(chosen.sweeps or 3000) if chosen.what == "errors" else power(chosen.sweeps or 600)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

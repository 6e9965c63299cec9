"""A candidate held against a baseline: once, or look by look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rewards.scorers import CARDS
from wire.errors import UserError

if TYPE_CHECKING:
    from reports.gate.check import Gate
    from reports.gate.policy import Policy
    from reports.read.runs import Run
    from reports.read.selection import Selection

#: What makes a growing candidate, as long as it is open: from the baseline and the rules to its first so many prompts.
Growing = Callable[["Run", "Policy"], AbstractContextManager[Callable[[int], "Run"]]]


def gate_of(
    candidate: Path,
    baseline: Path,
    policy: Path | None = None,
    *,
    subset: bool = False,
    looks: Sequence[int] = (),
    names: Sequence[str] = (),
    selection: Selection | None = None,
) -> Gate:
    """Judge what there is of a candidate; arguments and errors are those of :func:`miro_eval.check`.
    ``names``: of baseline and candidate; none for their own.
    ``selection``: judge their best images alone.
    """
    from generation.suites import built_prompts
    from reports.gate.check import check_once, rules_for
    from reports.gate.inputs import read_sides
    from reports.gate.sequential import check_growing

    first, finished = read_sides(baseline, candidate, CARDS, names, selection)
    rules = rules_for(first, policy)
    looks = looks or rules.looks
    if not looks:
        return check_once(first, finished, rules, subset=subset)
    if subset:
        raise UserError("--subset cannot be combined with looks: omit one of them")
    return check_growing(lambda _: finished, first, rules, looks, built_prompts())


def growing_gate(
    baseline: Path, policy: Path | None, looks: Sequence[int], growing: Growing, names: Sequence[str] = ()
) -> Gate:
    """Judge a candidate that is made as far as the looks need it; raises as :func:`gate_of`."""
    from generation.suites import built_prompts
    from reports.gate.check import rules_for
    from reports.gate.inputs import read_side
    from reports.gate.sequential import check_growing

    first = read_side(baseline, CARDS)
    rules = rules_for(first, policy)
    with growing(first, rules) as grown:
        return check_growing(grown, first, rules, looks or rules.looks, built_prompts(), names)

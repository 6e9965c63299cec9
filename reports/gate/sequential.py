"""Checking a candidate look by look, for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from reports.gate.check import Gate, Taken, alike, check_runs
from reports.gate.evidence import Evidence
from reports.gate.interim_analysis import Look, Order, planned_looks
from reports.gate.policy import Policy
from reports.read.names import told_apart
from reports.read.runs import Run
from wire.errors import UserError


def check_growing(
    candidate: Callable[[int], Run],
    baseline: Run,
    policy: Policy,
    prompts: Sequence[int] = (),
    suites: Iterable[Sequence[tuple[str, str]]] = (),
    names: Sequence[str] = (),
) -> Gate:
    """Look at a growing candidate until the verdict is certain, or the looks or the candidate's prompts end.

    Args:
        candidate: the candidate with its first so many prompts, or with more; it may make them.
        prompts: ascending numbers of prompts to look at it after; none for one look at all that the baseline has.
        suites: known suites' prompts; see :meth:`reports.gate.interim_analysis.Order.of`.
        names: of baseline and candidate; none for their own.

    Raises:
        UserError: the runs are not alike; the baseline has fewer prompts than the last look wants, or the candidate
            than the first.
    """
    order = Order.of(baseline, suites)
    prompts = prompts or (order.held(baseline),)
    if prompts[-1] > order.held(baseline):
        raise UserError(
            f"a look after {prompts[-1]:,} prompts: of those, the baseline has the first {order.held(baseline):,} only"
        )
    gate, earlier = None, dict[str, tuple[Evidence, ...]]()
    for number, look in enumerate(planned_looks(prompts, policy.spending), start=1):
        baseline, run = told_apart([baseline, candidate(look.prompts)], names)
        if lacking := order.lacking(run, look.prompts):
            return _ended(gate, run, look, lacking)
        notes = alike(baseline, run, policy)
        gate = _look(order, baseline, run, policy, notes, look, earlier)
        gate = replace(gate, looks=Taken(tuple(prompts), number, policy.spending))
        if gate.certain:
            break
        earlier = {one.metric: _evidence(one.measured.evidence) for one in gate.judgements}
    if gate is None:
        raise UserError("no look: name numbers of prompts to look after")
    return gate


def _look(
    order: Order,
    baseline: Run,
    candidate: Run,
    policy: Policy,
    notes: list[str],
    look: Look,
    earlier: dict[str, tuple[Evidence, ...]],
) -> Gate:
    first, second = (order.first(run, look.prompts) for run in (baseline, candidate))
    return check_runs(first, second, policy, notes, share=look.share, earlier=earlier, interim=not look.last)


def _evidence(evidence: Evidence | None) -> tuple[Evidence, ...]:
    """All looks so far, none within another."""
    return () if evidence is None else (*evidence.earlier, replace(evidence, earlier=()))


def _ended(gate: Gate | None, candidate: Run, look: Look, lacking: int) -> Gate:
    """The verdict of the look before, where the candidate ends before it is certain."""
    told = f"{candidate.name} lacks {lacking:,} of the first {look.prompts:,} prompts"
    if gate is None:
        raise UserError(f"{told}, which the first look wants; make them with --limit {look.prompts}, or look earlier")
    return replace(gate, notes=(*gate.notes, f"{told}: go on with --limit {look.prompts} for the next look"))

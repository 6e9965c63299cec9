"""Checking a candidate look by look while it grows, for as long as it takes until the verdict is certain.

The looks are fixed beforehand: after so many prompts of one fixed, stratified order, the last one being the whole
sweep. *Alpha spending* (Lan and DeMets 1983, Biometrika 70:659-663) with the power family of Kim and DeMets (1987,
Biometrika 74:149-154): after the share t of the prompts the share t^spending of the level has been spent. What a look
adds is divided by Bonferroni: its p values are multiplied by one over its own share. So the chance of an error over all
looks is at most the level whatever they have to do with one another, and nothing is assumed of how evidence grows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.gate.check import REMEDY, Gate, Taken, check_runs
from reports.gate.evidence import Evidence
from reports.gate.inputs import frames_of, require_alike
from reports.gate.policy import Policy
from reports.read.names import told_apart
from reports.read.prompts import prompt_identities
from reports.read.runs import Run
from wire.errors import UserError
from wire.stratified import stratified_order

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Look:
    """One look, at so many prompts from the beginning of the order, and its ``share`` of the level: all add up to 1."""

    prompts: int
    share: float
    last: bool


def planned_looks(prompts: Sequence[int], spending: float) -> list[Look]:
    """The looks after ascending numbers of prompts."""
    spent = [(number / prompts[-1]) ** spending for number in prompts]
    shares = [after - before for before, after in itertools.pairwise([0.0, *spent])]
    return [Look(number, share, number == prompts[-1]) for number, share in zip(prompts, shares, strict=True)]


@dataclass(frozen=True)
class Order:
    """All prompts of a baseline, in the order in which shortened runs take them."""

    texts: tuple[str, ...]

    @classmethod
    def of(cls, baseline: Run, suites: Iterable[Sequence[tuple[str, str]]] = ()) -> Order:
        """That of the suite where it is among ``suites``, for a baseline may lack a few of its prompts.

        Args:
            suites: of each the (tag or nothing, text) of its prompts, in order.
        """
        frame = frames_of(baseline)[0]
        # Prompt keys are in the suite's order.
        prompts = sorted(set(zip(frame["prompt_key"].tolist(), prompt_identities(frame), strict=True)))
        found = [(tag, text) for tag, _, text in (identity.partition("\t") for _, identity in prompts)]
        texts = {text for _, text in found}
        for suite in suites:
            if texts <= {text for _, text in suite}:
                found = list(suite)
        return cls(tuple(found[place][1] for place in stratified_order(found)))

    def first(self, run: Run, prompts: int) -> Run:
        """A run on the first prompts alone."""
        wanted = set(self.texts[:prompts])
        verdicts = None if run.verdicts is None else _only(run.verdicts, wanted)
        rewards = run.rewards and replace(run.rewards, frame=_only(run.rewards.frame, wanted))
        return replace(
            run,
            verdicts=None if verdicts is None or verdicts.empty else verdicts,
            rewards=None if rewards is None or rewards.frame.empty else rewards,
        )

    def held(self, run: Run) -> int:
        """How many of the first prompts a run has without a gap."""
        found = _texts(frames_of(run)[0])
        return next((number for number, text in enumerate(self.texts) if text not in found), len(self.texts))

    def lacking(self, run: Run, prompts: int) -> int:
        """How many of the first prompts a run has no row of."""
        return len(set(self.texts[:prompts]).difference(_texts(frames_of(run)[0])))


def _texts(frame: pd.DataFrame) -> list[str]:
    return [identity.partition("\t")[2] for identity in prompt_identities(frame)]


def _only(frame: pd.DataFrame, wanted: set[str]) -> pd.DataFrame:
    return frame[[text in wanted for text in _texts(frame)]].reset_index(drop=True)


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
        suites: known suites' prompts; see :meth:`Order.of`.
        names: of baseline and candidate; none for their own.

    Raises:
        UserError: the runs are not alike; the baseline has fewer prompts than the last look wants, or the candidate
            than the first.
    """
    order = Order.of(baseline, suites)
    prompts = prompts or (order.held(baseline),)
    if prompts[-1] > order.held(baseline):
        raise UserError(
            f"a look after {prompts[-1]:,} prompts: the baseline has the first {order.held(baseline):,} only"
        )
    gate, earlier = None, dict[str, tuple[Evidence, ...]]()
    for number, look in enumerate(planned_looks(prompts, policy.spending), start=1):
        named, run = told_apart([baseline, candidate(look.prompts)], names)
        if lacking := order.lacking(run, look.prompts):
            return _ended(gate, run, look, lacking)
        notes = require_alike(named, run, policy.may_differ, remedy=REMEDY)
        first, second = (order.first(side, look.prompts) for side in (named, run))
        gate = check_runs(first, second, policy, notes, share=look.share, earlier=earlier, interim=not look.last)
        gate = replace(gate, looks=Taken(tuple(prompts), number, policy.spending))
        if gate.certain:
            break
        earlier = {one.metric: _so_far(one.measured.evidence) for one in gate.judgements}
    if gate is None:
        raise UserError("no look: name the numbers of prompts to look at")
    return gate


def _so_far(evidence: Evidence | None) -> tuple[Evidence, ...]:
    """All looks up to this one, none within another."""
    return () if evidence is None else (*evidence.earlier, replace(evidence, earlier=()))


def _ended(gate: Gate | None, candidate: Run, look: Look, lacking: int) -> Gate:
    """The verdict of the look before, where the candidate ends before it is certain."""
    told = f"{candidate.name} lacks {lacking:,} of the first {look.prompts:,} prompts"
    if gate is None:
        raise UserError(f"{told}, which the first look needs; make them with --limit {look.prompts}, or look earlier")
    return replace(gate, notes=(*gate.notes, f"{told}: go on with --limit {look.prompts} for the next look"))

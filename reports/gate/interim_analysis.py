"""Looking at a sweep while it grows, and stopping as soon as the verdict is certain.

The looks are fixed beforehand: after so many prompts of one fixed, stratified order, the last one being the whole
sweep. *Alpha spending* (Lan and DeMets 1983, Biometrika 70:659-663) with the power family of Kim and DeMets (1987,
Biometrika 74:149-154): after the share t of the prompts the share t^spending of the level has been spent. What a look
adds is divided by Bonferroni: its p values are multiplied by one over its own share. So the chance of an error over all
looks is at most the level whatever they have to do with one another, and nothing is assumed of how evidence grows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.read.prompts import prompt_identities
from reports.read.runs import Run
from wire.stratified import stratified_order

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        prompts: looked at, from the beginning of the order.
        share: of the level, which is this look's own; all add up to 1.
    """

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
        found = [key for frame in _frames(baseline) for key in _keys(frame)]
        texts = {text for _, text in found}
        for prompts in suites:
            if texts <= {text for _, text in prompts}:
                found = list(prompts)
        return cls(tuple(found[place][1] for place in stratified_order(found)))

    def first(self, run: Run, prompts: int) -> Run:
        """A run on the first prompts alone."""
        wanted = set(self.texts[:prompts])
        verdicts, rewards = run.verdicts, run.rewards
        if verdicts is not None:
            verdicts = _only(verdicts, wanted)
        if rewards is not None:
            rewards = replace(rewards, frame=_only(rewards.frame, wanted))
        return replace(run, verdicts=_filled(verdicts), rewards=rewards if rewards and len(rewards.frame) else None)

    def held(self, run: Run) -> int:
        """How many of the first prompts a run has without a gap."""
        found = _texts(run)
        return next((number for number, text in enumerate(self.texts) if text not in found), len(self.texts))

    def lacking(self, run: Run, prompts: int) -> int:
        """How many of the first prompts a run has no row of."""
        return len(set(self.texts[:prompts]) - _texts(run))


def _frames(run: Run) -> Iterator[pd.DataFrame]:
    if run.verdicts is not None:
        yield run.verdicts
    elif run.rewards is not None:
        yield run.rewards.frame


def _texts(run: Run) -> set[str]:
    return {text for frame in _frames(run) for _, text in _keys(frame)}


def _keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(tag or nothing, text) of each prompt, in the order of prompt keys, which is the suite's."""
    prompts = set(zip(frame["prompt_key"].tolist(), prompt_identities(frame), strict=True))
    return [_key(identity) for _, identity in sorted(prompts)]


def _key(identity: str) -> tuple[str, str]:
    tag, _, text = identity.partition("\t")
    return tag, text


def _filled(frame: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if frame is None or frame.empty else frame


def _only(frame: pd.DataFrame, wanted: set[str]) -> pd.DataFrame:
    rows = [_key(identity)[1] in wanted for identity in prompt_identities(frame)]
    return frame[rows].reset_index(drop=True)

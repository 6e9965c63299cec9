"""Judging metrics by a policy: passes, fails, cannot tell, or merely watched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from reports.gate.evidence import Evidence, bound_text
from reports.gate.policy import Policy, Rule
from reports.statistics.paired import holm

#: Beyond a thousand times the prompts or images that there are, no number is worth telling.
MOST = 1000.0


class Outcome(Enum):
    """What is found of one metric."""

    PASSES = "passes"
    FAILS = "fails"
    CANNOT_TELL = "cannot tell"
    WATCHED = "watched"


@dataclass(frozen=True)
class Measured:
    """One metric (``overall``, a tag, or a metric id) of two runs.

    ``value`` is the candidate's over the pairs, ``evidence`` the difference; both are None where there are too few.
    ``coverage`` is the share of the baseline's scored images that have a scored counterpart, from 0 to 1.
    """

    metric: str
    value: float | None
    evidence: Evidence | None
    coverage: float


@dataclass(frozen=True)
class Settling:
    """What would settle a question, if the difference stays the same; each alone would do.

    So many prompts of the same kind, with as many images each, or so many images of each of the same prompts; None
    where a thousand times as many would not do, or where it is not known.
    """

    prompts: int | None
    samples: int | None


@dataclass(frozen=True)
class OpenQuestion:
    """Whether a drop is within the margin, where neither a drop is shown nor one beyond the margin excluded.

    To show a drop, the level is shared among so many ``tests``.
    """

    evidence: Evidence
    margin: float
    tolerated: float
    level: float
    tests: int

    @cached_property
    def settling(self) -> Settling:
        """Either a drop beyond the margin is then excluded, or one beyond what is tolerated shown: what is sooner."""
        evidence = self.evidence
        prompts = self._least(evidence.prompts, lambda factor: evidence.grown(prompts=factor))
        known = evidence.within is not None
        samples = self._least(evidence.samples, lambda factor: evidence.grown(samples=factor)) if known else None
        return Settling(prompts, samples)

    @property
    def text(self) -> str:
        """The question, and what would settle it, in words."""
        more, bound = self.settling, self.evidence.drop_bound(self.level)
        ways = [f"{more.prompts:,} prompts (now {self.evidence.prompts:,})"] if more.prompts else []
        if more.samples:
            ways.append(f"{more.samples:,} images of each prompt (now {self.evidence.samples:.3g})")
        what = f"about {' or '.join(ways)} would settle it" if ways else "no number of prompts would settle it"
        drop = f"a {self.evidence.worse} of up to {bound:.4f} ({bound_text(self.level)}) cannot be excluded"
        return f"{drop}, margin {self.margin:g}; {what}, if the difference stays the same"

    def _least(self, now: float, grown: Callable[[float], Evidence]) -> int | None:
        """How many settle it: what there is now, times the smallest factor from 1 to a thousand."""

        def settled(factor: float) -> bool:
            more = grown(factor)
            shown = more.shows_drop_beyond(self.tolerated) < self.level / self.tests
            return shown or more.excludes_drop_beyond(self.margin) < self.level

        low, high = 1.0, 1.0
        while not settled(high):
            if high > MOST:
                return None
            low, high = high, 2.0 * high
        while high / low > 1.0 + 1e-6:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if settled(middle) else (middle, high)
        return math.ceil(high * now)


@dataclass(frozen=True)
class Judgement:
    """One metric, judged.

    Attributes:
        stated: why, in words; of all demands that are not met, or of the one that counts.
        fails: whether the gate fails by it: the outcome, or the policy's answer to ``cannot tell``.
        p_value: of "the drop is at most tolerated", corrected if the policy says so; None without a margin.
        question: what is open where it cannot be told.
        certain: whether more prompts of a sweep would be of no use: it passes by its margin, or a drop is shown.
    """

    measured: Measured
    rule: Rule
    outcome: Outcome
    stated: tuple[str, ...]
    fails: bool
    p_value: float | None = None
    question: OpenQuestion | None = None
    certain: bool = True

    @property
    def metric(self) -> str:
        """``overall``, a tag, or a metric id."""
        return self.measured.metric

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in words. That of an open question is made when it is asked for, for it takes a search."""
        return self.stated if self.question is None else (*self.stated, self.question.text)

    @property
    def text(self) -> str:
        """The reasons on one line."""
        return "; ".join(self.reasons)


def judge(metrics: Sequence[Measured], policy: Policy, *, interim: bool = False) -> list[Judgement]:
    """Judge all metrics together, for the correction depends on how many are tested.

    Args:
        interim: more data are to come, so that limits on observed values, which have no error rate, wait for them.
    """
    rules = [policy.rule(measured.metric) for measured in metrics]
    raw = {
        place: one.evidence.shows_drop_beyond(rule.tolerated)
        for place, (one, rule) in enumerate(zip(metrics, rules, strict=True))
        if rule.demands and rule.margin is not None and one.evidence is not None
    }
    corrected = policy.correction == "holm"
    p_values = dict(zip(raw, holm([*raw.values()]), strict=True)) if corrected else raw
    tests = max(1, len(raw)) if corrected else 1
    judgements = [
        _judgement(measured, rule, p_values.get(place), policy.level, tests)
        for place, (measured, rule) in enumerate(zip(metrics, rules, strict=True))
    ]
    return [_waiting(one) for one in judgements] if interim else judgements


def _waiting(one: Judgement) -> Judgement:
    """A judgement before the last look: what rests on limits alone is open."""
    settled = {
        Outcome.WATCHED: True,
        Outcome.CANNOT_TELL: True,
        Outcome.FAILS: one.certain,
        Outcome.PASSES: one.certain and not one.rule.limits,
    }
    if settled[one.outcome]:
        return one
    reason = f"so far: {one.text}; limits are judged at the last look"
    fails = one.rule.cannot_tell == "fail"
    return replace(one, outcome=Outcome.CANNOT_TELL, stated=(reason,), fails=fails, certain=False)


def _judgement(measured: Measured, rule: Rule, p_value: float | None, level: float, tests: int) -> Judgement:
    if not rule.demands:
        return Judgement(measured, rule, Outcome.WATCHED, ("watched",), fails=False)
    broken = list(_broken_limits(measured, rule))
    evidence, margin = measured.evidence, rule.margin
    if evidence is None or margin is None or p_value is None:
        outcome = Outcome.FAILS if broken else Outcome.PASSES
        reasons = tuple(broken) or ("no limit is broken",)
        return Judgement(measured, rule, outcome, reasons, fails=bool(broken), certain=False)
    within = evidence.excludes_drop_beyond(margin) < level
    shown = not within and p_value < level
    if shown:
        beyond = f" beyond the tolerated {rule.tolerated:g}" if rule.tolerated else ""
        drop = f"a {evidence.worse}{beyond} is shown (p {p_value:.2g}, {corrected_text(tests)})"
        bound = f"{evidence.drop_bound(level):.4f} ({bound_text(level)})"
        broken.append(f"{drop} and may be as large as {bound}, margin {margin:g}")
    if broken:
        return Judgement(measured, rule, Outcome.FAILS, tuple(broken), True, p_value, certain=shown)
    if within:
        reason = f"a {evidence.worse} beyond the margin of {margin:g} is excluded (p < {level:g}, not corrected)"
        return Judgement(measured, rule, Outcome.PASSES, (reason,), False, p_value)
    question = OpenQuestion(evidence, margin, rule.tolerated, level, tests)
    fails = rule.cannot_tell == "fail"
    return Judgement(measured, rule, Outcome.CANNOT_TELL, (), fails, p_value, question, certain=False)


def _broken_limits(measured: Measured, rule: Rule) -> Iterator[str]:
    if measured.value is None or measured.evidence is None:
        yield "the candidate has too few scored prompts of it for a comparison"
        return
    if measured.coverage < rule.coverage:
        yield f"coverage {measured.coverage:.1%} is below {rule.coverage:.1%}"
    if rule.floor is not None and measured.value < rule.floor:
        yield f"{measured.value:.4f} is below the floor of {rule.floor:g}"
    if rule.ceiling is not None and measured.value > rule.ceiling:
        yield f"{measured.value:.4f} is above the ceiling of {rule.ceiling:g}"
    drop, error, worse = -measured.evidence.difference, measured.evidence.standard_error, measured.evidence.worse
    if rule.largest_drop is not None and drop > rule.largest_drop:
        yield f"the {worse} of {drop:.4f} exceeds {rule.largest_drop:g}"
    if rule.largest_drop_errors is not None and drop > max(0.0, rule.largest_drop_errors * error):
        yield f"the {worse} of {drop:.4f} exceeds {rule.largest_drop_errors:g} standard errors of {error:.4f}"


def corrected_text(tests: int) -> str:
    """For how many tests a p value is corrected, in words."""
    return f"corrected by Holm for {tests} metrics" if tests > 1 else "not corrected"

"""Judging metrics by a policy: passes, fails, cannot tell, or merely watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from reports.gate.evidence import Evidence, bound_text
from reports.gate.policy import Policy, Rule
from reports.gate.sample_size import OpenQuestion
from reports.statistics.paired import holm


class Outcome(Enum):
    """What is found of one metric."""

    PASSES = "passes"
    FAILS = "fails"
    CANNOT_TELL = "cannot tell"
    WATCHED = "watched"


@dataclass(frozen=True)
class Measured:
    """One metric of two runs.

    Attributes:
        metric: ``overall``, a tag, or a metric id.
        value: the candidate's, over the pairs; None where it has too few to be compared.
        evidence: the difference; None likewise.
        coverage: share of the baseline's scored images that have a scored counterpart, from 0 to 1.
    """

    metric: str
    value: float | None
    evidence: Evidence | None
    coverage: float


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
    tested = [place for place, rule in enumerate(rules) if _tested(metrics[place], rule)]
    raw = [_drop_p_value(metrics[place], rules[place]) for place in tested]
    p_values = dict(zip(tested, holm(raw) if policy.correction == "holm" else raw, strict=True))
    tests = max(1, len(tested)) if policy.correction == "holm" else 1
    judgements = [
        _judgement(measured, rule, p_values.get(place), policy.level, tests)
        for place, (measured, rule) in enumerate(zip(metrics, rules, strict=True))
    ]
    return [_waiting(one) for one in judgements] if interim else judgements


def _waiting(one: Judgement) -> Judgement:
    """A judgement before the last look: what rests on limits alone is open."""
    if one.outcome is Outcome.WATCHED or (one.outcome is Outcome.FAILS and one.certain):
        return one
    if one.outcome is Outcome.PASSES and one.certain and not one.rule.limits:
        return one
    if one.outcome is Outcome.CANNOT_TELL:
        return one
    reason = f"so far: {one.text}; limits are judged at the last look"
    fails = one.rule.cannot_tell == "fail"
    return replace(one, outcome=Outcome.CANNOT_TELL, stated=(reason,), fails=fails, certain=False)


def _tested(measured: Measured, rule: Rule) -> bool:
    return rule.demands and rule.margin is not None and measured.evidence is not None


def _drop_p_value(measured: Measured, rule: Rule) -> float:
    return 1.0 if measured.evidence is None else measured.evidence.shows_drop_beyond(rule.tolerated)


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
        broken.append(_drop_text(rule, evidence, p_value, level, tests))
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
        yield "the candidate has too few scored prompts of it to be compared"
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


def _drop_text(rule: Rule, evidence: Evidence, p_value: float, level: float, tests: int) -> str:
    what = f"a {evidence.worse}{f' beyond the tolerated {rule.tolerated:g}' if rule.tolerated else ''}"
    shown = f"is shown (p {p_value:.2g}, {corrected_text(tests)})"
    bound = f"{evidence.drop_bound(level):.4f} ({bound_text(level)})"
    return f"{what} {shown} and may be as large as {bound}, margin {rule.margin:g}"


def corrected_text(tests: int) -> str:
    """For how many tests a p value is corrected, in words."""
    return f"corrected by Holm for {tests} metrics" if tests > 1 else "not corrected"

"""Judging metrics by a policy: passes, fails, cannot tell, or merely watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from reports.gate.evidence import Evidence
from reports.gate.policy import Policy, Rule
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
        measured: what was judged.
        rule: by what.
        outcome: what came of it.
        reasons: why, in words; of all demands that are not met, or of the one that counts.
        fails: whether the gate fails by it: the outcome, or the policy's answer to ``cannot tell``.
        p_value: of "the drop is at most tolerated", corrected if the policy says so; None without a margin.
        settling_prompts: how many prompts would settle ``cannot tell``; None where none would, or nothing is open.
    """

    measured: Measured
    rule: Rule
    outcome: Outcome
    reasons: tuple[str, ...]
    fails: bool
    p_value: float | None = None
    settling_prompts: int | None = None

    @property
    def metric(self) -> str:
        """``overall``, a tag, or a metric id."""
        return self.measured.metric

    @property
    def text(self) -> str:
        """The reasons on one line."""
        return "; ".join(self.reasons)


def judge(metrics: Sequence[Measured], policy: Policy) -> list[Judgement]:
    """Judge all metrics together, for the correction depends on how many are tested."""
    rules = [policy.rule(measured.metric) for measured in metrics]
    tested = [place for place, rule in enumerate(rules) if _tested(metrics[place], rule)]
    raw = [_drop_p_value(metrics[place], rules[place]) for place in tested]
    p_values = dict(zip(tested, holm(raw) if policy.correction == "holm" else raw, strict=True))
    tests = max(1, len(tested)) if policy.correction == "holm" else 1
    return [
        _judgement(measured, rule, p_values.get(place), policy.level, tests)
        for place, (measured, rule) in enumerate(zip(metrics, rules, strict=True))
    ]


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
        return Judgement(measured, rule, outcome, tuple(broken) or ("no limit is broken",), fails=bool(broken))
    bound = evidence.drop_bound(level)
    within = evidence.excludes_drop_beyond(margin) < level
    if not within and p_value < level:
        broken.append(_drop_text(rule, p_value, bound))
    if broken:
        return Judgement(measured, rule, Outcome.FAILS, tuple(broken), fails=True, p_value=p_value)
    if within:
        reason = f"a drop beyond the margin of {margin:g} is excluded"
        return Judgement(measured, rule, Outcome.PASSES, (reason,), fails=False, p_value=p_value)
    settling = evidence.prompts_to_settle(margin, rule.tolerated, level / tests)
    fails = rule.cannot_tell == "fail"
    reason = _open_text(margin, bound, settling, evidence.prompts)
    return Judgement(measured, rule, Outcome.CANNOT_TELL, (reason,), fails, p_value, settling)


def _broken_limits(measured: Measured, rule: Rule) -> Iterator[str]:
    if measured.value is None or measured.evidence is None:
        yield "the candidate has too few scored prompts of it to be compared"
        return
    if measured.coverage < rule.coverage:
        yield f"coverage {measured.coverage:.1%} is below {rule.coverage:.1%}"
    if rule.floor is not None and measured.value < rule.floor:
        yield f"{measured.value:.4f} is below the floor of {rule.floor:g}"
    drop, error = -measured.evidence.difference, measured.evidence.standard_error
    if rule.largest_drop is not None and drop > rule.largest_drop:
        yield f"the drop of {drop:.4f} exceeds {rule.largest_drop:g}"
    if rule.largest_drop_errors is not None and drop > max(0.0, rule.largest_drop_errors * error):
        yield f"the drop of {drop:.4f} exceeds {rule.largest_drop_errors:g} standard errors of {error:.4f}"


def _drop_text(rule: Rule, p_value: float, bound: float) -> str:
    beyond = f" beyond the tolerated {rule.tolerated:g}" if rule.tolerated else ""
    return f"a drop{beyond} is shown (p {p_value:.2g}) and may be {bound:.4f}, margin {rule.margin:g}"


def _open_text(margin: float, bound: float, settling: int | None, prompts: int) -> str:
    start = f"a drop of up to {bound:.4f} cannot be excluded, margin {margin:g}"
    if settling is None:
        return f"{start}; no number of prompts would settle it, the difference staying as it is"
    return f"{start}; about {settling:,} prompts (now {prompts:,}) would settle it, the difference staying as it is"

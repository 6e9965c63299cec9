"""A candidate, a baseline, a policy: the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.vocabulary import TAGS
from reports.comparison import ComparedMetric, Comparison, compare
from reports.gate.decision import Judgement, Measured, Outcome, judge
from reports.gate.evidence import Evidence
from reports.gate.inputs import narrowed, read_side
from reports.gate.likeness import require_alike
from reports.gate.policy import Policy, read_policy, require_known
from reports.runs import Run

REMEDY = "make both alike, or name the fields in the policy's may_differ (never the suite's)"


@dataclass(frozen=True)
class Gate:
    """The verdict on a candidate, and all it rests on.

    Attributes:
        comparison: baseline first, candidate second.
        policy: what was demanded.
        judgements: one a metric: overall, tags, rewards.
        notes: what could not be compared, what was let pass.
    """

    comparison: Comparison
    policy: Policy
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """No judgement fails it."""
        return not self.failures

    @property
    def failures(self) -> tuple[Judgement, ...]:
        """The judgements by which it fails."""
        return tuple(one for one in self.judgements if one.fails)

    @property
    def verdict(self) -> str:
        """The last line of the terminal's table."""
        if not self.passes:
            return f"gate: fails: {', '.join(_named(one) for one in self.failures)}"
        unsettled = [one.metric for one in self.judgements if one.outcome is Outcome.CANNOT_TELL]
        return f"gate: passes; cannot tell: {', '.join(unsettled)}" if unsettled else "gate: passes"

    def line(self, metric: str) -> ComparedMetric | None:
        """The comparison of a metric; None where there is none."""
        return next((line for line in self.comparison.metrics if line.metric == metric), None)


def check_paths(candidate: Path, baseline: Path, policy: Path | None = None, *, subset: bool = False) -> Gate:
    """Check a candidate.

    Args:
        candidate, baseline: run directories, files of rows, or saved baselines.
        policy: TOML; None for the default.
        subset: the candidate may cover some of the baseline's prompts only, and is compared on those.

    Raises:
        UserError: an input cannot be read, the runs are not alike, or the policy judges what the baseline lacks.
    """
    rules = read_policy(policy)
    first, second = read_side(baseline), read_side(candidate)
    require_known(rules, _found(first), "policy" if policy is None else str(policy))
    notes = [
        f"let pass by the policy: {text}" for text in require_alike(first, second, rules.may_differ, remedy=REMEDY)
    ]
    if subset:
        first, note = narrowed(first, second)
        notes.append(note)
    return check_runs(first, second, rules, notes)


def check_runs(baseline: Run, candidate: Run, policy: Policy, notes: list[str]) -> Gate:
    """Check a candidate against a baseline that is known to be alike."""
    comparison = compare(baseline, candidate)
    measured = list(_measured(comparison, baseline, policy))
    if not any(policy.rule(one.metric).demands for one in measured):
        raise UserError("the policy demands nothing of any metric that the baseline has; give one a margin or a floor")
    return Gate(comparison, policy, tuple(judge(measured, policy)), (*comparison.notes, *notes))


def _measured(comparison: Comparison, baseline: Run, policy: Policy) -> Iterator[Measured]:
    lines = {line.metric: line for line in comparison.metrics}
    scored = _scored_images(baseline)
    absent = [name for name in policy.metrics if name not in (*scored, "tags", "rewards")]
    demanded = [name for name in absent if policy.rule(name).demands]
    if demanded:
        raise UserError(f"the policy judges {', '.join(demanded)}, of which the baseline has no scored images")
    for metric, images in scored.items():
        line = lines.get(metric)
        if line is None:
            yield Measured(metric, None, None, 0.0)
        else:
            yield Measured(metric, line.second, Evidence.of(line), line.paired.images / images)


def _scored_images(run: Run) -> dict[str, int]:
    """Metric -> the run's scored images of it, in the order of tables; those without any are left out."""
    counts: dict[str, int] = {}
    if run.verdicts is not None:
        tags = run.verdicts["tag"][run.verdicts["correct"].notna()].value_counts()
        counts = {"overall": int(tags.sum())} if len(tags) == len(TAGS) else {}
        counts |= {tag: int(tags[tag]) for tag in TAGS if tag in tags}
    if run.rewards is not None:
        counts |= {metric: int(run.rewards.frame[metric].notna().sum()) for metric in run.rewards.metrics}
    return {metric: images for metric, images in counts.items() if images}


def _named(one: Judgement) -> str:
    return f"{one.metric} (cannot tell)" if one.outcome is Outcome.CANNOT_TELL else one.metric


def _found(run: Run) -> tuple[str, ...]:
    return run.rewards.metrics if run.rewards else ()

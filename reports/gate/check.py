"""A candidate, a baseline, a policy: the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.compare.comparison import ComparedMetric, Comparison, compare, geneval2_of, other_samples
from reports.gallery import GalleryFiles
from reports.gate.decision import Judgement, Measured, Outcome, judge
from reports.gate.evidence import Evidence
from reports.gate.inputs import narrowed, require_alike
from reports.gate.policy import GROUPS, HEADLINES, Policy, read_policy, require_known
from reports.read.cards import guessed, outside_range
from reports.read.runs import Run
from wire.cards import card_of
from wire.errors import UserError
from wire.vocabulary import GENEVAL2_SCORES, SOFT_TIFA, TAGS

Earlier = Mapping[str, tuple[Evidence, ...]]
REMEDY = "make both alike, or name the fields in the policy's may_differ (never the suite's)"


@dataclass(frozen=True)
class Taken:
    """Which looks were taken at a growing sweep; ``spending`` is the exponent by which the level is shared out."""

    planned: tuple[int, ...]
    taken: int
    spending: float

    @property
    def prompts(self) -> int:
        """Prompts at the look that the verdict rests on."""
        return self.planned[self.taken - 1]

    @property
    def text(self) -> str:
        """E.g. `` (after 100 of 553 prompts)``, to be put behind a verdict; empty where no planned look is left."""
        early = self.taken < len(self.planned)
        return f" (after {self.prompts} of {self.planned[-1]} prompts)" if early else ""


@dataclass(frozen=True)
class Gate:
    """The verdict on a candidate, and all it rests on.

    The comparison has the baseline first. ``looks`` are where the sweep was looked at while it grew, None where once,
    at its end; ``flips`` is the gallery of the verdicts that flip, where one was written.
    """

    comparison: Comparison
    policy: Policy
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]
    looks: Taken | None = None
    flips: GalleryFiles | None = None

    @property
    def passes(self) -> bool:
        """Whether no judgement fails the gate."""
        return not self.failures

    @property
    def failures(self) -> tuple[Judgement, ...]:
        """The judgements by which the gate fails."""
        return tuple(one for one in self.judgements if one.fails)

    @property
    def certain(self) -> bool:
        """Whether more prompts would be of no use: a drop is shown, or everything passes by its margin."""
        return any(one.fails and one.certain for one in self.judgements) or all(one.certain for one in self.judgements)

    @property
    def outcome(self) -> Outcome:
        """The verdict in one word; ``CANNOT_TELL`` where the gate passes, but not every metric is known to."""
        unsettled = any(one.outcome is Outcome.CANNOT_TELL for one in self.judgements)
        return Outcome.FAILS if not self.passes else Outcome.CANNOT_TELL if unsettled else Outcome.PASSES

    @property
    def verdict(self) -> str:
        """E.g. ``gate: fails: overall, colors (after 100 of 553 prompts)``."""
        unsettled = [one.metric for one in self.judgements if one.outcome is Outcome.CANNOT_TELL]
        told = f"passes{'; cannot tell: ' if unsettled else ''}{', '.join(unsettled)}"
        if not self.passes:
            named = (f"{one.metric}{' (cannot tell)' * (one.metric in unsettled)}" for one in self.failures)
            told = f"fails: {', '.join(named)}"
        return f"gate: {told}{self.looks.text if self.looks else ''}"

    def line(self, metric: str) -> ComparedMetric | None:
        """The comparison of a metric; None where there is none."""
        return next((line for line in self.comparison.metrics if line.metric == metric), None)


def check_once(baseline: Run, candidate: Run, policy: Policy, *, subset: bool = False) -> Gate:
    """Check a finished candidate by a policy that fits the baseline.

    Args:
        subset: the candidate may cover some of the baseline's prompts only, and is compared on those.

    Raises:
        UserError: the runs are not alike; see also :func:`check_runs`.
    """
    notes = require_alike(baseline, candidate, policy.may_differ, remedy=REMEDY)
    if subset:
        baseline, note = narrowed(baseline, candidate)
        notes.append(note)
    return check_runs(baseline, candidate, policy, notes)


def rules_for(baseline: Run, policy: Path | None) -> Policy:
    """The policy, where it fits a baseline.

    Raises:
        UserError: it cannot be read, or judges what the baseline lacks.
    """
    rules = read_policy(policy)
    found = (*baseline.manifest.cards, *(baseline.rewards.metrics if baseline.rewards else ()))
    require_known(rules, found, str(policy or "policy"))
    scored = _scored_images(baseline)
    absent = [name for name in rules.metrics if name not in (*scored, *GROUPS)]
    if any(name in scored and rules.rule(name).demands for name in HEADLINES):
        absent = [name for name in absent if name not in HEADLINES]  # the other suite's
    if demanded := [name for name in absent if rules.rule(name).demands]:
        raise UserError(f"the policy judges {', '.join(demanded)}, for which the baseline has no scored images")
    if not any(rules.rule(metric).demands for metric in scored):
        raise UserError("the policy sets no limit for any metric of the baseline: give one a margin or a floor")
    return rules


def check_runs(
    baseline: Run,
    candidate: Run,
    policy: Policy,
    notes: Sequence[str],
    *,
    share: float = 1.0,
    earlier: Earlier | None = None,
    interim: bool = False,
) -> Gate:
    """Check a candidate against a baseline that is known to be alike, once or at one of several looks.

    Args:
        share: of the level, for this look.
        earlier: metric -> evidence of earlier looks.
        interim: whether more looks may follow.

    Raises:
        UserError: they share nothing, or a metric to be judged has values that its card rules out, or is of another
            number of samples in each.
    """
    comparison = compare(baseline, candidate)
    measured = list(_measured(comparison, baseline, share, earlier or {}))
    judgements = tuple(judge(measured, policy, interim=interim))
    demanded = [one.metric for one in judgements if one.rule.demands]
    demanded += [SOFT_TIFA] * any(metric in GENEVAL2_SCORES for metric in demanded)
    for metric in demanded:
        if reason := other_samples(baseline, candidate, metric, comparison.cards):
            raise UserError(f"{metric}: cannot be judged, {reason}; make both alike, or watch it in the policy")
    # Values of another scale, or a failed scorer's sentinels, are no ground for a verdict.
    for run in (baseline, candidate) if policy.outside_range == "refuse" else ():
        for metric, text in outside_range(run, comparison.cards).items():
            if metric in demanded:
                remedy = 'correct its rows, or set outside_range = "judge" in the policy'
                raise UserError(f"{run.name}: {metric}: {text}; {remedy}")
    lost = _baseline_losses(baseline, policy)
    notes = (*lost, *comparison.notes, *guessed(demanded, comparison.cards), *notes)
    return Gate(comparison, policy, judgements, notes)


def _measured(comparison: Comparison, baseline: Run, share: float, earlier: Earlier) -> Iterator[Measured]:
    lines = {line.metric: line for line in comparison.metrics}
    for metric, images in _scored_images(baseline).items():
        if metric not in lines:
            yield Measured(metric, None, None, 0.0)
            continue
        line = lines[metric]
        evidence = Evidence.of(line, card_of(metric, comparison.cards).lower)
        evidence = replace(evidence, share=share, earlier=earlier.get(metric, ()))
        yield Measured(metric, line.second, evidence, line.paired.images / images)


def _baseline_losses(baseline: Run, policy: Policy) -> Iterator[str]:
    """What the baseline's own images lack of the coverage that the candidate must have."""
    for metric, (known, images) in _images(baseline).items():
        rule = policy.rule(metric)
        if metric != "overall" and rule.demands and known < rule.coverage * images:
            share = f"coverage {known / images:.1%} is below {rule.coverage:.1%}"
            counts = f"{known:,} of the baseline's own {images:,} images are scored"
            yield f"{metric}: {counts}: its {share}; nothing is judged on the others"


def _scored_images(run: Run) -> dict[str, int]:
    """Metric -> the run's scored images of it, in the order of tables; those without any are left out."""
    counts = {metric: scored for metric, (scored, _) in _images(run).items() if scored}
    if not counts.keys() >= {*TAGS}:
        counts.pop("overall", None)
    return counts


def _images(run: Run) -> dict[str, tuple[int, int]]:
    """Metric -> the run's scored images of it, and all that have a row, in the order of tables."""
    counts: dict[str, tuple[int, int]] = {}
    if run.verdicts is not None:
        scored, tags = run.verdicts["correct"].notna(), run.verdicts["tag"]
        counts["overall"] = int(scored.sum()), len(scored)
        counts |= {tag: (int(scored[tags == tag].sum()), int((tags == tag).sum())) for tag in TAGS if tag in {*tags}}
    for name, part in geneval2_of(run).items():
        if part["prompt_key"].nunique() > 1:  # of one prompt nothing can be tested
            counts[name] = int(part["value"].notna().sum()), len(part)
    if run.rewards is not None:
        frame = run.rewards.frame
        counts |= {metric: (int(frame[metric].notna().sum()), len(frame)) for metric in run.rewards.metrics}
    return counts

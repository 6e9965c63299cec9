"""A candidate, a baseline, a policy: the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.compare.comparison import ComparedMetric, Comparison, compare
from reports.gate.comparability import require_alike
from reports.gate.decision import Judgement, Measured, Outcome, judge
from reports.gate.evidence import Evidence
from reports.gate.flips import Flips
from reports.gate.inputs import narrowed, read_sides
from reports.gate.policy import Policy, read_policy, require_known
from reports.read.cards import guessed, outside_range
from reports.read.runs import Run
from wire.cards import NO_CARDS, Cards, card_of
from wire.errors import UserError
from wire.vocabulary import TAGS

NOTHING_EARLIER: Mapping[str, tuple[Evidence, ...]] = {}
REMEDY = "make both alike, or name the fields in the policy's may_differ (never the suite's)"


@dataclass(frozen=True)
class Taken:
    """Which looks were taken at a growing sweep.

    Attributes:
        spending: exponent by which the level is shared out.
    """

    planned: tuple[int, ...]
    taken: int
    spending: float

    @property
    def prompts(self) -> int:
        """Prompts at the look that the verdict rests on."""
        return self.planned[self.taken - 1]

    @property
    def early(self) -> bool:
        """Whether planned looks are left."""
        return self.taken < len(self.planned)

    @property
    def text(self) -> str:
        """E.g. `` (after 100 of 553 prompts)``, to be put behind a verdict."""
        return f" (after {self.prompts} of {self.planned[-1]} prompts)"


@dataclass(frozen=True)
class Gate:
    """The verdict on a candidate, and all it rests on.

    Attributes:
        comparison: baseline first, candidate second.
        notes: what could not be compared, what was let pass.
        looks: where the sweep was looked at while it grew; None where once, at its end.
        flips: gallery of the verdicts that flip; None where none was written.
    """

    comparison: Comparison
    policy: Policy
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]
    looks: Taken | None = None
    flips: Flips | None = None

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
    def verdict(self) -> str:
        """E.g. ``gate: fails: overall, colors (after 100 of 553 prompts)``."""
        early = self.looks.text if self.looks and self.looks.early else ""
        if not self.passes:
            return f"gate: fails: {', '.join(_named(one) for one in self.failures)}{early}"
        unsettled = [one.metric for one in self.judgements if one.outcome is Outcome.CANNOT_TELL]
        return f"gate: passes{'; cannot tell: ' if unsettled else ''}{', '.join(unsettled)}{early}"

    def line(self, metric: str) -> ComparedMetric | None:
        """The comparison of a metric; None where there is none."""
        return next((line for line in self.comparison.metrics if line.metric == metric), None)


def check_paths(
    candidate: Path, baseline: Path, policy: Path | None = None, *, subset: bool = False, cards: Cards = NO_CARDS
) -> Gate:
    """Check a candidate once.

    Args:
        candidate, baseline: run directories, files of rows, or saved baselines.
        policy: TOML; None for the default.
        subset: the candidate may cover some of the baseline's prompts only, and is compared on those.
        cards: of metrics that are known anyway, for runs that bear none.

    Raises:
        UserError: an input cannot be read, the runs are not alike, or the policy judges what the baseline lacks.
    """
    first, second = read_sides(baseline, candidate, cards)
    return check_once(first, second, rules_for(first, policy), subset=subset)


def check_once(baseline: Run, candidate: Run, policy: Policy, *, subset: bool = False) -> Gate:
    """The same for runs that are read and a policy that fits the baseline."""
    notes = alike(baseline, candidate, policy)
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
    absent = [name for name in rules.metrics if name not in (*scored, "tags", "rewards")]
    demanded = [name for name in absent if rules.rule(name).demands]
    if demanded:
        raise UserError(f"the policy judges {', '.join(demanded)}, of which the baseline has no scored images")
    if not any(rules.rule(metric).demands for metric in scored):
        raise UserError("the policy demands nothing of any metric that the baseline has; give one a margin or a floor")
    return rules


def alike(baseline: Run, candidate: Run, policy: Policy) -> list[str]:
    """Refuse runs that are not alike; returns what the policy let pass, in words.

    Raises:
        UserError: they differ in fields that the policy does not let pass.
    """
    let_pass = require_alike(baseline, candidate, policy.may_differ, remedy=REMEDY)
    return [f"let pass by the policy: {text}" for text in let_pass]


def check_runs(
    baseline: Run,
    candidate: Run,
    policy: Policy,
    notes: Sequence[str],
    *,
    share: float = 1.0,
    earlier: Mapping[str, tuple[Evidence, ...]] = NOTHING_EARLIER,
    interim: bool = False,
) -> Gate:
    """Check a candidate against a baseline that is known to be alike.

    Args:
        share: of the level, for this look at the data.
        earlier: metric -> evidence of earlier looks.
        interim: whether more looks may follow.

    Raises:
        UserError: they share nothing, or a metric to be judged has values that its card rules out.
    """
    comparison = compare(baseline, candidate)
    measured = [_at_look(one, share, earlier) for one in _measured(comparison, baseline)]
    judgements = tuple(judge(measured, policy, interim=interim))
    demanded = [one.metric for one in judgements if one.rule.demands]
    if policy.outside_range == "refuse":
        _require_in_range((baseline, candidate), demanded, comparison.cards)
    lost = _baseline_losses(baseline, policy)
    notes = (*lost, *comparison.notes, *guessed(demanded, comparison.cards), *notes)
    return Gate(comparison, policy, judgements, notes)


def _require_in_range(runs: Sequence[Run], metrics: Sequence[str], cards: Cards) -> None:
    """Values of another scale, or a failed scorer's sentinels, are no ground for a verdict."""
    for run in runs:
        for metric, text in outside_range(run, cards).items():
            if metric in metrics:
                remedy = 'correct its rows, or set outside_range = "judge" in the policy'
                raise UserError(f"{run.name}: {metric}: {text}; {remedy}")


def _at_look(one: Measured, share: float, earlier: Mapping[str, tuple[Evidence, ...]]) -> Measured:
    if one.evidence is None:
        return one
    return replace(one, evidence=replace(one.evidence, share=share, earlier=earlier.get(one.metric, ())))


def _measured(comparison: Comparison, baseline: Run) -> Iterator[Measured]:
    lines = {line.metric: line for line in comparison.metrics}
    for metric, images in _scored_images(baseline).items():
        line, lower = lines.get(metric), card_of(metric, comparison.cards).lower
        if line is None:
            yield Measured(metric, None, None, 0.0)
        else:
            yield Measured(metric, line.second, Evidence.of(line, lower), line.paired.images / images)


def _baseline_losses(baseline: Run, policy: Policy) -> Iterator[str]:
    """What the baseline's own images lack of the coverage that the candidate must have."""
    found = []
    if baseline.verdicts is not None:
        tags = baseline.verdicts["correct"].notna().groupby(baseline.verdicts["tag"])
        found += [(tag, int(scored.sum()), len(scored)) for tag, scored in tags]
    if baseline.rewards is not None:
        scored = baseline.rewards.frame[[*baseline.rewards.metrics]].notna()
        found += [(metric, int(scored[metric].sum()), len(scored)) for metric in baseline.rewards.metrics]
    for metric, known, images in found:
        rule = policy.rule(metric)
        if rule.demands and known < rule.coverage * images:
            share = f"coverage {known / images:.1%} is below {rule.coverage:.1%}"
            counts = f"{known:,} of the baseline's own {images:,} images are scored"
            yield f"{metric}: {counts}: its {share}; on the others nothing is judged"


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

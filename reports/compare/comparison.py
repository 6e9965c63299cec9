"""Two runs compared on the images that they share: every metric with its difference, interval and p value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from reports.compare.pairing import Pairs, pair_rewards, pair_verdicts
from reports.read.cards import notes_on_rewards
from reports.read.runs import Run
from reports.statistics.estimators import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.paired import PairedDifference, holm, paired_difference
from wire.cards import Cards, card_of
from wire.errors import UserError
from wire.vocabulary import TAGS


@dataclass(frozen=True)
class ComparedMetric:
    """One line of a comparison.

    Attributes:
        metric: ``overall``, a tag, or a metric id.
        first, second: the runs' values over the pairs alone; they may differ from the runs' own scores.
        paired: second minus first.
        corrected_p_value: after Holm, over all lines of the comparison.
        left_out: images that could not be paired, in words.
    """

    metric: str
    first: float
    second: float
    paired: PairedDifference
    corrected_p_value: float
    left_out: str


@dataclass(frozen=True)
class Comparison:
    """Two runs, compared.

    Attributes:
        metrics: overall, tags, rewards; those that both have on two prompts or more.
        notes: what could not be compared, and in what the protocols differ.
        cards: of the metrics, as far as they are known.
    """

    first: str
    second: str
    metrics: tuple[ComparedMetric, ...]
    notes: tuple[str, ...]
    cards: Cards = field(default_factory=dict)

    def label(self, metric: str) -> str:
        """The metric as tables name it; an arrow tells that lower is better."""
        return card_of(metric, self.cards).label


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs.

    Raises:
        UserError: they share no prompt and sample with a value in both.
    """
    lines = [*_verdict_lines(first, second), *_reward_lines(first, second)]
    if not lines:
        raise UserError(f"{first.name} and {second.name} share no scored prompts to be compared on (two are needed)")
    corrected = holm([line.paired.p_value for line in lines])
    metrics = tuple(replace(line, corrected_p_value=value) for line, value in zip(lines, corrected, strict=True))
    return Comparison(first.name, second.name, metrics, tuple(_notes(first, second, metrics)), cards_of(first, second))


def cards_of(first: Run, second: Run) -> Cards:
    """The metrics' cards, the first run's before the second's."""
    return {**second.manifest.cards, **first.manifest.cards}


def _verdict_lines(first: Run, second: Run) -> Iterator[ComparedMetric]:
    if first.verdicts is None or second.verdicts is None:
        return
    pairs = pair_verdicts(first.verdicts, second.verdicts)
    if set(pairs.frame["stratum"]) == set(TAGS):
        yield from _line("overall", pairs, MEAN_OF_STRATA)
    for tag in TAGS:
        of_tag = replace(pairs, frame=pairs.frame[pairs.frame["stratum"] == tag])
        yield from _line(tag, of_tag, RATIO_OF_TOTALS)


def _reward_lines(first: Run, second: Run) -> Iterator[ComparedMetric]:
    if first.rewards is None or second.rewards is None:
        return
    tags = {} if first.verdicts is None else dict(zip(first.verdicts["filename"], first.verdicts["tag"], strict=True))
    for metric in first.rewards.metrics:
        if metric in second.rewards.metrics:
            yield from _line(metric, pair_rewards(first.rewards, second.rewards, metric, tags), RATIO_OF_TOTALS)


def _line(metric: str, pairs: Pairs, estimator: Estimator) -> Iterator[ComparedMetric]:
    """The line, or none where fewer than two prompts of a stratum have pairs."""
    frame = pairs.frame
    differences = pairs.differences()
    if estimator is RATIO_OF_TOTALS and not differences.estimable():
        differences = differences.merged()
    paired = paired_difference(differences, estimator)
    if paired is None:
        return
    by_stratum = frame.groupby("stratum") if estimator is MEAN_OF_STRATA else None
    first, second = (
        float(frame[side].mean() if by_stratum is None else by_stratum[side].mean().mean())
        for side in ("first", "second")
    )
    yield ComparedMetric(metric, first, second, paired, paired.p_value, pairs.left_out)


def _notes(first: Run, second: Run, metrics: tuple[ComparedMetric, ...]) -> Iterator[str]:
    compared = {line.metric for line in metrics}
    for metric in ("overall", *TAGS, *_metrics(first), *_metrics(second)):
        if metric not in compared and (metric not in TAGS or "overall" in compared):
            compared.add(metric)
            yield f"{metric}: not compared, the runs share too few scored prompts of it"
    for line in metrics:
        if line.left_out and line.metric not in TAGS:
            yield f"{line.metric}: left out of the comparison: {line.left_out}"
    yield from (f"{run.name}: {note}" for run in (first, second) for note in run.repeats)
    known = cards_of(first, second)
    yield from (f"{run.name}: {note}" for run in (first, second) for note in notes_on_rewards(run, known))
    yield from (
        f"{metric}: {known[metric].direction}" for metric in compared if metric in known and known[metric].lower
    )
    left, right = first.manifest.protocol, second.manifest.protocol
    if not left or not right:
        yield "no protocol is recorded for one or both, so it is not known whether they are alike"
        return
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"the runs differ in {name}: {left.get(name, 'not recorded')}; {right.get(name, 'not recorded')}"


def _metrics(run: Run) -> tuple[str, ...]:
    return run.rewards.metrics if run.rewards else ()

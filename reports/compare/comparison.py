"""Two runs compared on the images that they share: every metric with its difference, interval and p value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reports.compare.pairing import Pairs, pair_parts, pair_rewards, pair_verdicts
from reports.read.cards import notes_on_rewards
from reports.read.runs import Run
from reports.statistics.intervals import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.paired import PairedDifference, holm, paired_difference
from reports.summary.geneval2_summary import Parts, geneval2_parts
from reports.summary.scored import samples_expected
from wire.cards import Cards, card_of
from wire.errors import UserError
from wire.grouping import grouped
from wire.vocabulary import GENEVAL2_SCORES, SOFT_TIFA, TAGS

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class ComparedMetric:
    """One line of a comparison."""

    metric: str  #: ``overall``, a tag, or a metric id
    #: first, second: the runs' values over the pairs alone; they may differ from the runs' own scores.
    first: float
    second: float
    paired: PairedDifference  #: second minus first
    corrected_p_value: float  #: after Holm, over all lines of the comparison
    left_out: str  #: images that could not be paired, in words
    #: No difference can be larger: 1 for shares, the width of the card's range; infinite where that is open.
    widest: float = math.inf


@dataclass(frozen=True)
class Comparison:
    """Two runs, compared in what both have on two prompts or more: overall, tags, GenEval 2's scores, rewards.

    The notes say what could not be compared, and in what the protocols differ; the cards are those that are known.
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
    """Compare two runs. Raises UserError: they share no prompt and sample with a value in both."""
    cards = {**second.manifest.cards, **first.manifest.cards}
    judged = [run.verdicts for run in (first, second) if run.verdicts is not None]
    verdicts = pair_verdicts(*judged) if len(judged) == 2 else None
    parts = [geneval2_of(run) for run in (first, second)]
    lines = [
        *(_verdict_lines(verdicts) if verdicts else ()),
        *_geneval2_lines(*parts),
        *_reward_lines(first, second, cards),
    ]
    if not lines:
        why = "; ".join(("two are needed", *_not_compared(first, second, set(), cards)))
        raise UserError(f"{first.name} and {second.name} share no scored prompts to be compared on ({why})")
    corrected = holm([line.paired.p_value for line in lines])
    metrics = tuple(replace(line, corrected_p_value=value) for line, value in zip(lines, corrected, strict=True))
    notes = (
        *_not_compared(first, second, {line.metric for line in metrics}, cards),
        *_questions_lacking(first, second, *parts),
        *_left_out(metrics, verdicts),
        *(f"{run.name}: {note}" for run in (first, second) for note in (*run.repeats, *notes_on_rewards(run, cards))),
        *(f"{line.metric}: {cards[line.metric].direction}" for line in metrics if card_of(line.metric, cards).lower),
        *_protocols(first.manifest.protocol, second.manifest.protocol),
    )
    return Comparison(first.name, second.name, metrics, notes, cards)


def _verdict_lines(pairs: Pairs) -> Iterator[ComparedMetric]:
    if set(pairs.frame["stratum"]) == set(TAGS):
        yield from _line("overall", pairs, MEAN_OF_STRATA, (0.0, 1.0))
    for tag in TAGS:
        yield from _line(tag, pairs.of(tag), RATIO_OF_TOTALS, (0.0, 1.0))


def geneval2_of(run: Run) -> Parts:
    """What the run's scores of GenEval 2 rest on; nothing where it is a sweep of GenEval."""
    if run.rewards is None or run.verdicts is not None:
        return {}
    return geneval2_parts(run.rewards, run.manifest.protocol)


def _geneval2_lines(first: Parts, second: Parts) -> Iterator[ComparedMetric]:
    for name in first:
        if name in second:
            yield from _line(name, pair_parts(first[name], second[name]), RATIO_OF_TOTALS, (0.0, 100.0))


def _reward_lines(first: Run, second: Run, cards: Cards) -> Iterator[ComparedMetric]:
    if first.rewards is None or second.rewards is None:
        return
    tags = {} if first.verdicts is None else dict(zip(first.verdicts["filename"], first.verdicts["tag"], strict=True))
    for metric in first.rewards.metrics:
        if metric in second.rewards.metrics and not other_samples(first, second, metric, cards):
            pairs = pair_rewards(first.rewards, second.rewards, metric, tags)
            yield from _line(metric, pairs, RATIO_OF_TOTALS, card_of(metric, cards).range)


def other_samples(first: Run, second: Run, metric: str, cards: Cards) -> str:
    """Why values over a prompt's images together cannot be compared: of 4 images they are no measure for those of 8."""
    if not card_of(metric, cards).over_samples or first.rewards is None or second.rewards is None:
        return ""
    counts = [samples_expected(run.rewards.frame, run.manifest.protocol) for run in (first, second) if run.rewards]
    return "" if counts[0] == counts[1] else f"it depends on the samples of a prompt: {counts[0]} and {counts[1]}"


def _line(metric: str, pairs: Pairs, estimator: Estimator, bounds: Bounds) -> Iterator[ComparedMetric]:
    """The line, or none where fewer than two prompts of a stratum have pairs."""
    differences = pairs.differences()
    if estimator is RATIO_OF_TOTALS and not differences.estimable():
        differences = differences.merged()
    values = pairs.frame[["first", "second"]]
    widest = _widest(values.min().min(), values.max().max(), bounds)
    paired = paired_difference(differences, estimator, widest)
    if paired is None:
        return
    means = values.groupby(pairs.frame["stratum"]).mean().mean() if estimator is MEAN_OF_STRATA else pairs.means()
    first, second = float(means["first"]), float(means["second"])
    yield ComparedMetric(metric, first, second, paired, paired.p_value, pairs.left_out, widest)


def _widest(least: float, most: float, bounds: Bounds) -> float:
    """Largest difference of two means of values within bounds; infinite where these are open, or do not hold."""
    low, high = bounds
    return math.inf if low is None or high is None or least < low or most > high else high - low


def _not_compared(first: Run, second: Run, compared: set[str], cards: Cards) -> Iterator[str]:
    """A stage that one run lacks is named once; metrics of both stages by the reason why they are not compared."""
    missing: list[tuple[str, str]] = []
    stages = (("GenEval verdicts", first.verdicts, second.verdicts), ("rewards", first.rewards, second.rewards))
    for stage, left, right in stages:
        if (left is None) != (right is None):
            missing.append((f"{(first if left is None else second).name} has none", stage))
    few = "the runs share too few scored prompts"
    if first.verdicts is not None and second.verdicts is not None and "overall" not in compared:
        missing += [(few, metric) for metric in ("overall", *TAGS) if metric not in compared]
    if first.rewards is not None and second.rewards is not None:
        for metric in dict.fromkeys((*first.rewards.metrics, *second.rewards.metrics)):
            lacking = [run.name for run in (first, second) if run.rewards and metric not in run.rewards.metrics]
            if metric not in compared:
                unlike = "" if lacking else other_samples(first, second, metric, cards)
                missing.append((f"{lacking[0]} has no values" if lacking else unlike or few, metric))
    yield from (f"{names}: not compared, {reason}" for names, reason in _together(missing))


def _questions_lacking(first: Run, second: Run, ours: Parts, theirs: Parts) -> Iterator[str]:
    """Scores of GenEval 2 that one run has, and the other lacks the questions for."""
    for run, lacking in ((first, theirs.keys() - ours.keys()), (second, ours.keys() - theirs.keys())):
        if lacking and run.rewards and SOFT_TIFA in run.rewards.metrics:
            names = ", ".join(name for name in GENEVAL2_SCORES if name in lacking)
            yield f"{names}: not compared, {run.name} has no questions for them"


def _left_out(metrics: Iterable[ComparedMetric], verdicts: Pairs | None) -> Iterator[str]:
    """Of verdicts once, under overall where there is one: whether a tag has a line or not."""
    told = {line.metric: line.left_out for line in metrics if line.metric not in (*TAGS, *GENEVAL2_SCORES[1:])}
    if verdicts and "overall" not in told:
        told = {"GenEval verdicts": verdicts.left_out, **told}
    for names, left_out in _together((left_out, name) for name, left_out in told.items() if left_out):
        yield f"{names}: left out of the comparison: {left_out}"


def _together(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Names of which the same is said, joined, and what it is."""
    return ((", ".join(names), text) for text, names in grouped(pairs).items())


def _protocols(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[str]:
    if not left or not right:
        yield "the settings of one or both are not recorded, so it is unknown whether they were made alike"
        return
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"the runs differ in {name}: {left.get(name, 'not recorded')}; {right.get(name, 'not recorded')}"

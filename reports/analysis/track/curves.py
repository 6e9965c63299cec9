"""Scores against the training step, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.analysis.track.steps import PlacedRun
from reports.read.cards import higher_is_better
from reports.statistics.intervals import Interval
from reports.summary.run_summary import RunSummary
from wire.cards import LOWER, Cards
from wire.vocabulary import TAGS


@dataclass(frozen=True)
class Point:
    """One run's value; ``step`` is where it lies on the axis."""

    step: float
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Curve:
    """One score of one training run.

    Attributes:
        metric: ``overall``, a tag, or a metric id.
        by_order: steps are the numbers of the checkpoints, in the order given.
        axis: what the points lie along, where it is no training.
        higher_is_better: direction; None where nobody has said.
    """

    training: str
    metric: str
    points: tuple[Point, ...]
    by_order: bool
    axis: str = ""
    higher_is_better: bool | None = True

    @property
    def label(self) -> str:
        """The metric as tables name it."""
        return f"{self.metric} {LOWER}" if self.higher_is_better is False else self.metric


def curves(places: Sequence[PlacedRun], summaries: Sequence[RunSummary]) -> list[Curve]:
    """All curves: overall, the tags, then rewards; within a metric by training run."""
    points: dict[str, dict[str, list[Point]]] = {}
    for place, summary in zip(places, summaries, strict=True):
        for metric, value, interval in scores_of(summary):
            points.setdefault(metric, {}).setdefault(place.training, []).append(Point(place.step, value, interval))
    by_order = any(place.by_order for place in places)
    cards = known_cards(summaries)
    order = ["overall", *TAGS]
    metrics = sorted(points, key=lambda metric: order.index(metric) if metric in order else len(order))
    return [
        Curve(training, metric, tuple(found), by_order, higher_is_better=higher_is_better(metric, cards))
        for metric in metrics
        for training, found in points[metric].items()
    ]


def known_cards(summaries: Sequence[RunSummary]) -> Cards:
    """Of all runs' metrics, an earlier run's before a later one's."""
    return {metric: card for summary in reversed(summaries) for metric, card in summary.manifest.cards.items()}


def scores_of(summary: RunSummary) -> Iterator[tuple[str, float, Interval | None]]:
    """A run's scores with their intervals: overall, the tags, then rewards; those it lacks are left out."""
    if summary.geneval is not None:
        if summary.geneval.overall is not None:
            yield "overall", summary.geneval.overall, summary.geneval.overall_interval
        for tag, accuracy in summary.geneval.tags.items():
            if accuracy.images.value is not None:
                yield tag, accuracy.images.value, accuracy.images_interval
    for metric, found in (summary.rewards.metrics if summary.rewards else {}).items():
        if found.mean is not None:
            yield metric, found.mean, found.interval


def bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    """Lower and upper bound of an interval, for CSV."""
    return (interval.low, interval.high) if interval else (None, None)

"""Scores along an axis (training steps, a reward target), with their intervals: points, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.drawing import HIGHER, Bounds, Panel, Series, plain_name, plot, save, score_label
from reports.statistics.intervals import Interval
from reports.summary.run_summary import RunSummary
from wire.cards import LOWER, NO_CARDS, Cards, card_of
from wire.vocabulary import GENEVAL2_SCORES, TAGS


@dataclass(frozen=True)
class Point:
    """One run's value; ``step`` is where it lies on the axis."""

    step: float
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Curve:
    """One score of one training run."""

    training: str
    metric: str  #: ``overall``, a tag, or a metric id
    points: tuple[Point, ...]
    by_order: bool  #: steps are the numbers of the checkpoints, in the order given
    axis: str = ""  #: what the points lie along, where it is no training
    higher_is_better: bool | None = True  #: direction; None where nobody has said
    words: tuple[str, ...] = ()  #: what is at 0, 1, ... of an axis that has no numbers

    @property
    def label(self) -> str:
        """The metric as tables name it."""
        return f"{self.metric} {LOWER}" if self.higher_is_better is False else self.metric


def scores_of(summary: RunSummary) -> Iterator[tuple[str, float, Interval | None]]:
    """A run's scores with their intervals: GenEval's, GenEval 2's, then rewards; those it lacks are left out."""
    yield from _judged(summary)
    for metric, found in (summary.rewards.metrics if summary.rewards else {}).items():
        if found.mean is not None:
            yield metric, found.mean, found.interval


def _judged(summary: RunSummary) -> Iterator[tuple[str, float, Interval | None]]:
    """GenEval's overall and tags; GenEval 2's but for the atoms."""
    scores: dict[str, tuple[float | None, Interval | None]] = {}
    if summary.geneval is not None:
        scores["overall"] = summary.geneval.overall, summary.geneval.overall_interval
        scores |= {tag: (one.images.value, one.images_interval) for tag, one in summary.geneval.tags.items()}
    for name, score in (summary.geneval2.scores if summary.geneval2 else {}).items():
        if not name.startswith("geneval2_atoms"):
            scores[name] = score.value, score.interval
    yield from ((name, value, interval) for name, (value, interval) in scores.items() if value is not None)


def value_text(value: float, interval: Interval | None) -> str:
    """E.g. ``0.5720 (0.5527 to 0.5949)``."""
    return f"{value:.4f}" + (f" ({interval.low:.4f} to {interval.high:.4f})" if interval else "")


def bounds(interval: Interval | None) -> tuple[float | None, float | None]:
    """Lower and upper bound of an interval, for CSV."""
    return (interval.low, interval.high) if interval else (None, None)


def draw(curves: Sequence[Curve], path: Path, cards: Cards = NO_CARDS, further: Iterable[str] = ()) -> list[Path]:
    """Write a PNG, a panel a metric, the intervals as bands; and ``further`` formats beside it.
    Raises MiroEvalError: there is no curve, or the file cannot be written.
    """
    panels = [_panel([one for one in curves if one.metric == metric], cards) for metric in metrics_of(curves)]
    return save(plot(panels), path, further)


def metrics_of(curves: Iterable[Curve]) -> list[str]:
    """Each metric once, in order."""
    return list(dict.fromkeys(curve.metric for curve in curves))


def _panel(curves: Sequence[Curve], cards: Cards) -> Panel:
    first = curves[0]
    along = first.axis or ("checkpoint" if first.by_order else "training step")
    series = tuple(series_of(curve) for curve in curves)
    return Panel(axis_label(first.metric, cards), plain_name(along), series, names=tuple(map(plain_name, first.words)))


def axis_label(metric: str, cards: Cards) -> str:
    """The metric, its direction and its unit, for a y axis."""
    if metric in ("overall", *TAGS):
        return f"{metric} {HIGHER}\n" + ("mean over tags" if metric == "overall" else "share of images")
    if metric in GENEVAL2_SCORES:
        return f"{metric} {HIGHER}\n0 to 100"
    return score_label(card_of(metric, cards))


def series_of(curve: Curve) -> Series:
    """A curve as it is drawn."""
    xs, ys = (tuple(getattr(point, name) for point in curve.points) for name in ("step", "value"))
    return Series(curve.training, xs, ys, bounds=tuple(_bound(point.interval) for point in curve.points))


def _bound(interval: Interval | None) -> Bounds | None:
    return (interval.low, interval.high) if interval else None

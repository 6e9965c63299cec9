"""Scores along an axis (training steps, a reward target), with their intervals: points, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.drawing import COLORS, label, legend_name, panels, plain_name, save
from reports.statistics.intervals import Interval
from reports.summary.run_summary import RunSummary
from wire.cards import LOWER, Cards
from wire.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4


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
        words: what stands at 0, 1, ... of an axis that has no numbers.
    """

    training: str
    metric: str
    points: tuple[Point, ...]
    by_order: bool
    axis: str = ""
    higher_is_better: bool | None = True
    words: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The metric as tables name it."""
        return f"{self.metric} {LOWER}" if self.higher_is_better is False else self.metric


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


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG: a panel a metric, the intervals as bands.

    Raises:
        MiroEvalError: there is no curve, or the file cannot be written.
    """
    metrics = _distinct(curve.metric for curve in curves)
    if not metrics:
        raise UserError("nothing to draw: no run has a score")
    trainings = _distinct(curve.training for curve in curves)
    figure, grid = panels(len(metrics), min(COLUMNS, len(metrics)), (3.6, 2.9))
    for axes, metric in zip(grid, metrics, strict=True):
        own = [curve for curve in curves if curve.metric == metric]
        for curve in own:
            _draw_curve(axes, curve, COLORS[trainings.index(curve.training) % len(COLORS)])
        axis = own[0].axis or ("checkpoint" if own[0].by_order else "training step")
        label(axes, plain_name(own[0].label), axis, title_size=10)
        axes.ticklabel_format(axis="x", style="plain")
        axes.locator_params(axis="x", nbins=5, integer=not own[0].axis)
        if own[0].words:
            axes.set_xticks(range(len(own[0].words)), [plain_name(word) for word in own[0].words])
    if len(trainings) > 1:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    save(figure, path)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _draw_curve(axes: Axes, curve: Curve, color: str) -> None:
    steps, values = [point.step for point in curve.points], [point.value for point in curve.points]
    axes.plot(steps, values, color=color, marker="o", markersize=3, label=legend_name(curve.training))
    known = [(point.step, point.interval) for point in curve.points if point.interval]
    lows, highs = [interval.low for _, interval in known], [interval.high for _, interval in known]
    axes.fill_between([step for step, _ in known], lows, highs, color=color, alpha=0.18, linewidth=0)

"""The curves as an image: a panel a metric, the intervals as bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.analysis.track.curves import Curve
from reports.drawing import COLORS, label, legend_name, panels, plain_name, save
from reports.files import writing
from wire.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG.

    Raises:
        MiroEvalError: there is no curve; or see :func:`reports.files.writing`.
    """
    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    if not metrics:
        raise UserError("nothing to draw: no run has a score")
    trainings = list(dict.fromkeys(curve.training for curve in curves))
    figure, grid = panels(len(metrics), min(COLUMNS, len(metrics)), (3.6, 2.9))
    for axes, metric in zip(grid, metrics, strict=True):
        for curve in (curve for curve in curves if curve.metric == metric):
            _draw_curve(axes, curve, COLORS[trainings.index(curve.training) % len(COLORS)])
        _label(axes, next(curve for curve in curves if curve.metric == metric))
    if len(trainings) > 1:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path)


def _draw_curve(axes: Axes, curve: Curve, color: str) -> None:
    steps = [point.step for point in curve.points]
    name = legend_name(curve.training)
    axes.plot(steps, [point.value for point in curve.points], color=color, marker="o", markersize=3, label=name)
    known = [(point.step, point.interval) for point in curve.points if point.interval]
    lows, highs = [interval.low for _, interval in known], [interval.high for _, interval in known]
    axes.fill_between([step for step, _ in known], lows, highs, color=color, alpha=0.18, linewidth=0)


def _label(axes: Axes, curve: Curve) -> None:
    axis = curve.axis or ("checkpoint" if curve.by_order else "training step")
    label(axes, plain_name(curve.label), axis, title_size=10)
    axes.ticklabel_format(axis="x", style="plain")
    axes.locator_params(axis="x", nbins=5, integer=not curve.axis)

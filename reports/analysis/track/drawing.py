"""The curves as an image: a panel a metric, the intervals as bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.analysis.track.curves import Curve
from reports.files import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colors, which color-blind readers can tell apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
COLUMNS = 4


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    trainings = list(dict.fromkeys(curve.training for curve in curves))
    columns = min(COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * rows), layout="constrained")
    panels: list[Any] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for unused in panels[len(metrics) :]:
        unused.remove()
    for axes, metric in zip(panels, metrics, strict=False):
        for curve in (curve for curve in curves if curve.metric == metric):
            _draw_curve(axes, curve, COLORS[trainings.index(curve.training) % len(COLORS)])
        _label(axes, next(curve for curve in curves if curve.metric == metric))
    if len(trainings) > 1:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def _draw_curve(axes: Axes, curve: Curve, color: str) -> None:
    steps = [point.step for point in curve.points]
    # A leading underscore or a dollar sign would mean something to the drawing library.
    name = curve.training.replace("$", r"\$").lstrip("_") or "training"
    axes.plot(steps, [point.value for point in curve.points], color=color, marker="o", markersize=3, label=name)
    known = [(point.step, point.interval) for point in curve.points if point.interval]
    lows, highs = [interval.low for _, interval in known], [interval.high for _, interval in known]
    axes.fill_between([step for step, _ in known], lows, highs, color=color, alpha=0.18, linewidth=0)


def _label(axes: Axes, curve: Curve) -> None:
    axes.set_title(curve.label.replace("$", r"\$"), fontsize=10)
    axes.set_xlabel(curve.axis or ("checkpoint" if curve.by_order else "training step"), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(axis="x", style="plain")
    axes.locator_params(axis="x", nbins=5, integer=not curve.axis)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)

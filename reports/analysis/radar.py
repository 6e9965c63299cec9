"""Radars: several models on one wheel, each axis by its own scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from reports.drawing import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RadarLine:
    """One model of a radar: values along the axes, in their units; a dashed line where they were not measured."""

    label: str
    values: tuple[float, ...]
    measured: bool
    color: str = ""


def radar(
    axes_names: Sequence[str],
    lines: Sequence[RadarLine],
    title: str,
    bounds: tuple[float, float] | None = None,
    lower: Sequence[bool] = (),
) -> Figure:
    """Draw a wheel.

    Args:
        axes_names: three or more.
        lines: one or more, with a value for each axis.
        title: above the wheel.
        bounds: of every axis; by default each goes from its worst to its best model.
        lower: for each axis, whether its lowest value is the best; by default none is.
    """
    from matplotlib.figure import Figure

    values = np.array([line.values for line in lines])
    low, high = values.min(axis=0), values.max(axis=0)
    if bounds:
        low, high = (np.full(len(axes_names), bound) for bound in bounds)
    if any(lower):
        low, high = np.where(lower, high, low), np.where(lower, low, high)
    scaled = 0.15 + 0.85 * (values - low) / np.where(high != low, high - low, 1.0)
    angles = np.linspace(0.0, 2.0 * np.pi, len(axes_names), endpoint=False)
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.add_subplot(projection="polar")
    for line, radii, color in zip(lines, scaled, cycle(COLORS), strict=False):
        style = "-" if line.measured else "--"
        closed = [*angles, angles[0]], [*radii, radii[0]]
        axes.plot(*closed, style, color=line.color or color, label=line.label, linewidth=1.6)
    names = [f"{name}\n{_span(least, most)}" for name, least, most in zip(axes_names, low, high, strict=True)]
    axes.set_xticks(angles, names)
    axes.tick_params(axis="x", pad=22, labelsize=9)
    axes.set_yticks([0.15, 1.0], ["", ""])
    axes.set_ylim(0.0, 1.0)
    axes.set_title(title, pad=32)
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def _span(least: float, most: float) -> str:
    return f"{least:.3g} to {most:.3g}"

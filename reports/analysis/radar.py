"""Radars: several models on one wheel, each axis by its own scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.drawing import COLORS, legend_name, save
from wire.cards import card_of
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.read.runs import Run

#: A wheel of fewer axes is none.
FEWEST_AXES = 3


@dataclass(frozen=True)
class RadarLine:
    """One model of a radar: values along the axes, in their units; a dashed line where they were not measured."""

    label: str
    values: tuple[float, ...]
    measured: bool
    color: str = ""


def draw_radars(runs: Sequence[tuple[str, Run]], folder: Path) -> tuple[Path, ...]:
    """Write ``radar_tags.png`` and ``radar_rewards.png``, as far as runs have what they show.

    Rewards have no common scale: their axes go from the worst to the best run, so that there must be two.

    Raises:
        MiroEvalError: see :func:`reports.drawing.save`.
    """
    figures = {"radar_tags": _tags(runs), "radar_rewards": _rewards(runs)}
    return tuple(save(figure, folder / f"{name}.png") for name, figure in figures.items() if figure is not None)


def _tags(runs: Sequence[tuple[str, Run]]) -> Figure | None:
    means = {}
    for name, run in runs:
        if run.verdicts is not None:
            scored = run.verdicts.dropna(subset="correct").groupby("tag")["correct"].mean()
            means[name] = {str(tag): float(share) for tag, share in scored.items()}
    lines = _lines(means, TAGS)
    return radar(TAGS, lines, "GenEval by tag (every axis: 0 to 1)", bounds=(0.0, 1.0)) if lines else None


def _rewards(runs: Sequence[tuple[str, Run]]) -> Figure | None:
    means = {
        name: {metric: float(run.rewards.frame[metric].mean()) for metric in run.rewards.metrics}
        for name, run in runs
        if run.rewards is not None
    }
    first = next(iter(means.values()), {})
    shared = [metric for metric in first if not any(isnan(found.get(metric, nan)) for found in means.values())]
    lines = _lines(means, shared)
    if len(shared) < FEWEST_AXES or len(lines) < 2:
        return None
    known = {metric: card for _, run in reversed(runs) for metric, card in run.manifest.cards.items()}
    cards = [card_of(metric, known) for metric in shared]
    labels, lower = [card.label for card in cards], [card.lower for card in cards]
    return radar(labels, lines, "Mean rewards (each axis: worst to best run)", lower=lower)


def _lines(means: Mapping[str, Mapping[str, float]], axes: Sequence[str]) -> list[RadarLine]:
    """A line for each run that has a value on every axis."""
    return [
        RadarLine(legend_name(name), tuple(float(found[axis]) for axis in axes), measured=True)
        for name, found in means.items()
        if set(axes) <= found.keys()
    ]


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
        closed = [*angles, angles[0]], [*radii, radii[0]]
        style = "-" if line.measured else "--"
        axes.plot(*closed, style, color=line.color or color, label=line.label, linewidth=1.6)
    spans = zip(axes_names, low, high, strict=True)
    axes.set_xticks(angles, [f"{name}\n{least:.3g} to {most:.3g}" for name, least, most in spans])
    axes.tick_params(axis="x", pad=22, labelsize=9)
    axes.set_yticks([0.15, 1.0], ["", ""])
    axes.set_ylim(0.0, 1.0)
    axes.set_title(title, pad=32)
    figure.legend(loc="outside right center", fontsize=8)
    return figure

"""Radars: several models on one wheel, each axis by its own scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.drawing import COLUMN, HIGHER, PAGE, TEXT, dashes, legend, legend_name, look, save
from reports.read.cards import known_cards
from wire.cards import card_of
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from reports.read.runs import Run

#: A wheel of fewer axes is none.
FEWEST_AXES = 3
#: Radius of the inner ring, where the worst line lies: room for the ticks.
HUB = 0.28
WORST_TO_BEST = "Each axis: its worst line on the inner ring, its best on the outer."


@dataclass(frozen=True)
class RadarLine:
    """One model of a radar: values along the axes, in their units; a dashed line where they were not measured."""

    label: str
    values: tuple[float, ...]
    measured: bool
    #: Which look it has, as of :func:`reports.drawing.look`; None for the place of its label in the figure.
    place: int | None = None


def draw_radars(runs: Sequence[tuple[str, Run]], folder: Path, further: Iterable[str] = ()) -> tuple[Path, ...]:
    """Write ``radar_tags.png`` and ``radar_rewards.png``, as far as runs have what they show.

    Rewards have no common scale: their axes go from the worst to the best run, so that there must be two.
    Raises MiroEvalError: see :func:`reports.drawing.save`.
    """
    figures = {"radar_tags": _tags(runs), "radar_rewards": _rewards(runs)}
    drawn = [(name, figure) for name, figure in figures.items() if figure is not None]
    return tuple(path for name, figure in drawn for path in save(figure, folder / f"{name}.png", further))


def _tags(runs: Sequence[tuple[str, Run]]) -> Figure | None:
    means = {}
    for name, run in runs:
        if run.verdicts is not None:
            scored = run.verdicts.dropna(subset="correct").groupby("tag")["correct"].mean()
            means[name] = {str(tag): float(share) for tag, share in scored.items()}
    lines = _lines(means, TAGS)
    return radar([Wheel(TAGS, tuple(lines), "GenEval by tag, share of images ↑", bounds=(0.0, 1.0))]) if lines else None


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
    known = known_cards([run for _, run in runs])
    cards = [card_of(metric, known) for metric in shared]
    labels, lower = tuple(card.label for card in cards), tuple(card.lower for card in cards)
    return radar([Wheel(labels, tuple(lines), f"Mean rewards {HIGHER}", lower=lower)], WORST_TO_BEST)


def _lines(means: Mapping[str, Mapping[str, float]], axes: Sequence[str]) -> list[RadarLine]:
    """A line for each run that has a value on every axis."""
    return [
        RadarLine(legend_name(name), tuple(float(found[axis]) for axis in axes), measured=True)
        for name, found in means.items()
        if set(axes) <= found.keys()
    ]


@dataclass(frozen=True)
class Wheel:
    """One wheel: axes, three or more, each with a scale of its own."""

    axes: tuple[str, ...]  #: as they are named on the wheel, directions included
    lines: tuple[RadarLine, ...]  #: one or more, with a value for each axis
    title: str
    bounds: tuple[float, float] | None = None  #: of every axis; None for each from its worst to its best line
    lower: tuple[bool, ...] = ()  #: for each axis, whether its lowest value is the best; empty where none is


def radar(wheels: Sequence[Wheel], note: str = "") -> Figure:
    """Draw wheels side by side, a column wide each, with one legend.

    A line has the same look on all of them, told by its label. Ticks stand on every axis: at the inner ring the worst
    line's value, at the outer ring the best one's, and the one halfway.
    """
    from matplotlib.figure import Figure

    width = COLUMN if len(wheels) == 1 else PAGE
    figure = Figure(layout="constrained")
    labels = list(dict.fromkeys(line.label for wheel in wheels for line in wheel.lines))
    handles: dict[str, Any] = {}
    for place, wheel in enumerate(wheels, start=1):
        axes: Any = figure.add_subplot(1, len(wheels), place, projection="polar")
        handles |= _draw_wheel(axes, wheel, labels)
    words = dashes(line.measured for wheel in wheels for line in wheel.lines)
    figure.set_size_inches(width, 3.15 + 0.14 * -(-len(labels) // (2 if width == COLUMN else 4)))
    legend(figure, handles, f"{words} {note}".strip())
    return figure


def _draw_wheel(axes: Any, wheel: Wheel, labels: Sequence[str]) -> dict[str, Any]:
    """Lines, rings and ticks; returns the handles by label."""
    worst, best = _ends(wheel)
    span = np.where(best != worst, best - worst, 1.0)
    angles = np.linspace(0.0, 2.0 * np.pi, len(wheel.axes), endpoint=False)
    handles = {}
    for line in wheel.lines:
        radii = HUB + (1.0 - HUB) * (np.array(line.values) - worst) / span
        style = look(labels.index(line.label) if line.place is None else line.place, line.measured)
        handles[line.label] = axes.plot([*angles, angles[0]], [*radii, radii[0]], label=line.label, **style)[0]
    axes.set_theta_offset(np.pi / 2)
    axes.set_xticks(angles, [name.replace("_", "_\n", 1) for name in wheel.axes], fontsize=TEXT)
    for angle, name in zip(angles, axes.get_xticklabels(), strict=True):
        right = -np.sin(angle)
        name.set(ha="left" if right > 0.1 else "right" if right < -0.1 else "center", linespacing=1.1)
    axes.tick_params(axis="x", pad=3)
    axes.set_yticks([HUB, (1 + HUB) / 2, 1.0], ["", "", ""])
    axes.set_ylim(0.0, 1.04)
    axes.grid(alpha=0.35, linewidth=0.5)
    axes.spines["polar"].set_visible(False)
    axes.set_title(wheel.title, fontsize=TEXT + 1, pad=8)
    for angle, least, most in zip(angles, worst, best, strict=True):
        for share in (0.0, 0.5, 1.0):
            _tick(axes, angle, HUB + share * (1 - HUB), f"{least + share * (most - least):.3g}")
    return handles


def _tick(axes: Any, angle: float, radius: float, text: str) -> None:
    """A number beside its spoke, where it hides no marker."""
    beside = (9.0 * np.cos(angle), 9.0 * np.sin(angle))
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.3}
    axes.annotate(text, (angle, radius), beside, textcoords="offset points", fontsize=5, color="#333333",
                  ha="center", va="center", bbox=box, zorder=5)  # fmt: skip


def _ends(wheel: Wheel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values at the inner and at the outer ring, of each axis."""
    values = np.array([line.values for line in wheel.lines], dtype=np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    if wheel.bounds:
        low, high = (np.full(len(wheel.axes), bound) for bound in wheel.bounds)
    if any(wheel.lower):
        return np.where(wheel.lower, high, low), np.where(wheel.lower, low, high)
    return low, high

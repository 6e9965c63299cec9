"""How figures are drawn: panels of curves at the size they are printed in, one legend, one file a format.

Sizes are a paper's: a panel is half a column wide, text is 6 to 7 points, so that nothing is scaled down afterwards.
Measured curves are solid with filled markers, published ones dashed with open markers; each of a figure's curves has a
color and a marker of its own. matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.files import writing
from wire.cards import LOWER, MetricCard
from wire.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette (2008), which color-blind readers can tell apart, with grey for its yellow, and Tol's wine.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "h")
#: Letters of a name in a legend; a longer one loses its middle.
LONGEST_NAME = 48
#: Widths of the usual two-column proceedings, in inches.
COLUMN, PAGE = 3.3, 6.75
PANEL_HEIGHT = 1.55
TEXT, SMALL = 7.0, 6.0
#: Width of a letter of small text, in inches, to break lines before they are drawn.
_LETTER = 0.049
FORMATS = ("pdf", "svg")
#: Dots an inch of a PNG: what printers ask for.
DPI = 300
HIGHER = "↑"

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve of a panel."""

    label: str
    #: xs, ys: its points; as many of each.
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    measured: bool = True
    bounds: tuple[Bounds | None, ...] = ()  #: of each point, the 95 % interval or None; empty where there are none
    place: int | None = None  #: which look it has, as of :func:`look`; None for the place of its label in the figure


@dataclass(frozen=True)
class Panel:
    """One plot: a score along an axis."""

    score: str  #: y axis: the score, its direction, its unit; see :func:`score_label`
    along: str  #: x axis
    series: tuple[Series, ...]
    powers: bool = False  #: x is 1, 2, 4, ..., evenly spaced
    names: tuple[str, ...] = ()  #: of the places 0, 1, 2, ... on x, where these are no numbers; no line joins them
    finish: Callable[[Axes], None] | None = None  #: draws what is special to this panel onto its axes


def score_label(card: MetricCard) -> str:
    """A reward for a y axis: id and direction, with its unit below."""
    arrow = {True: f" {HIGHER}", False: f" {LOWER}", None: ""}[card.higher_is_better]
    unit = "" if card.scale.startswith("unknown") else card.scale.split(",")[0].split(";")[0]
    lines = textwrap.wrap(unit, 22, max_lines=2, placeholder="…")
    return "\n".join([f"{plain_name(card.metric)}{arrow}", *lines])


def plot(panels: Sequence[Panel], title: str = "", note: str = "") -> Figure:
    """Draw panels, half a column wide each; one alone is as wide as the column.

    ``note`` stands over the legend, after what the drawing itself says of bands and dashes.
    Raises UserError: there is no panel.
    """
    if not panels:
        raise UserError("nothing to draw: no run has a score")
    columns = {1: 1, 2: 2, 4: 2, 3: 3, 5: 3, 6: 3, 9: 3}.get(len(panels), 4)
    height = PANEL_HEIGHT + (0.5 if any(panel.names for panel in panels) else 0.0)  # for names aslant
    figure, grid = _grid(len(panels), columns, (COLUMN / min(columns, 2), height))
    labels = list(dict.fromkeys(series.label for panel in panels for series in panel.series))
    for axes, panel in zip(grid, panels, strict=True):
        for series in panel.series:
            _draw(axes, series, labels.index(series.label) if series.place is None else series.place, not panel.names)
        _dress(axes, panel)
        if panel.finish:
            panel.finish(axes)
    if title:
        figure.suptitle(plain_name(title), fontsize=TEXT + 1)
    handles = {h.get_label(): h for axes in grid for h in axes.get_legend_handles_labels()[0]}
    legend(figure, handles if len(labels) > 1 or labels != [""] else {}, f"{_reading(panels)} {note}".strip())
    return figure


def _grid(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, line by line; ``size`` is that of one, (width, height) in inches."""
    from matplotlib.figure import Figure

    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    grid: list[Any] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def look(place: int, measured: bool) -> dict[str, Any]:
    """How the curve of that place is drawn: measured or published, told apart by color and by marker."""
    color = COLORS[place % len(COLORS)]
    return {
        "color": color,
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 3.2,
        "linewidth": 1.1,
        "linestyle": "-" if measured else "--",
        "markerfacecolor": color if measured else "white",
        "markeredgewidth": 0.8,
    }


def _draw(axes: Axes, series: Series, place: int, joined: bool) -> None:
    style = look(place, series.measured)
    axes.plot(series.xs, series.ys, label=legend_name(series.label), **style | ({} if joined else {"linestyle": ""}))
    points = zip(series.xs, series.ys, series.bounds, strict=False)
    known = np.array([(x, y, *bound) for x, y, bound in points if bound is not None])
    if not len(known):
        return
    xs, ys, lows, highs = known.T
    if joined and len(known) > 1:
        axes.fill_between(xs, lows, highs, color=style["color"], alpha=0.18, linewidth=0)
    else:
        reach = [(ys - lows).clip(0), (highs - ys).clip(0)]
        axes.errorbar(xs, ys, reach, fmt="none", ecolor=style["color"], elinewidth=0.8, capsize=1.5)


def _dress(axes: Axes, panel: Panel) -> None:
    """Name the axes, set their ticks, and take away what distracts."""
    axes.set_ylabel(panel.score, fontsize=SMALL, linespacing=1.15)
    # A sweep of fields that are tied names them all: one a line, where they would run into the next panel.
    along = [line for part in panel.along.split("\n") for line in textwrap.wrap(part.replace(",", ", "), 28)]
    axes.set_xlabel("\n".join(along), fontsize=SMALL)
    axes.tick_params(labelsize=SMALL, length=2, pad=2)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_linewidth(0.6)
    axes.locator_params(axis="y", nbins=5)
    if panel.powers:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.minorticks_off()
    elif panel.names:
        axes.set_xticks(range(len(panel.names)), panel.names, rotation=40, ha="right", rotation_mode="anchor")
    else:
        axes.locator_params(axis="x", nbins=4)
        if max((x for series in panel.series for x in series.xs), default=0) >= 10_000:
            axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k")


def _reading(panels: Sequence[Panel]) -> str:
    """What dashes and bands mean, as far as the figure has them."""
    series = [one for panel in panels for one in panel.series]
    bands = "Bands or bars: 95 % intervals over prompts." if any(any(one.bounds) for one in series) else ""
    return f"{dashes(one.measured for one in series)} {bands}".strip()


def dashes(measured: Iterable[bool]) -> str:
    """What dashes mean in a figure of such lines; empty where all are measured."""
    kinds = set(measured)
    if len(kinds) == 2:
        return "Solid, filled: measured. Dashed, open: as published."
    return "Dashed, open: as published, not measured." if kinds == {False} else ""


def legend(figure: Figure, handles: dict[Any, Any], note: str = "") -> None:
    """One legend below a figure, in as many columns as its width has room for, under a note in small letters."""
    if not handles and not note:
        return
    width = figure.get_figwidth()
    longest = max((len(str(name)) for name in handles), default=1)
    columns = max(1, min(len(handles), int(width / (longest * _LETTER + 0.42))))
    shown = figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        title="\n".join(textwrap.wrap(plain_name(note), int(width / _LETTER))) or None,
        title_fontsize=SMALL,
        handlelength=2.6,
        columnspacing=1.2,
        borderpad=0.1,
    )
    shown.get_title().set_horizontalalignment("center")


def plain_name(name: str) -> str:
    """A foreign name for a title, where a dollar sign would begin a formula."""
    return name.replace("$", r"\$")


def legend_name(name: str) -> str:
    """A foreign name for a legend: short, and without the leading underscore that would leave it out."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"
    return plain_name(shown).lstrip("_") or "-"


def save(figure: Figure, path: Path, further: Iterable[str] = ()) -> list[Path]:
    """Write a PNG, with the same bytes for the same figure, and make its folder if need be.
    ``figure``: drawn in this module's sizes.
    ``path``: of the PNG.
    ``further``: formats to write beside it: ``pdf``, ``svg``.
    Raises MiroEvalError: see :func:`reports.files.writing`; a UserError for another format.
    """
    import matplotlib

    paths = [path, *(path.with_suffix(f".{name}") for name in dict.fromkeys(further))]
    for one in paths:
        kind = one.suffix.removeprefix(".")
        if one is not path and kind not in FORMATS:
            raise UserError(f"--format {kind}: a figure is written as {' or '.join(FORMATS)}, beside the PNG")
        # No dates, no program's version, no random ids: the same figure is the same file. Fonts stay text in a PDF.
        silent: dict[str, Any] = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
        settings: Any = {"svg.hashsalt": "miro-eval", "pdf.fonttype": 42, "svg.fonttype": "none"}
        with writing(one), warnings.catch_warnings(), matplotlib.rc_context(settings):
            # Letters that its font lacks, which are drawn as boxes, and too little room are warned of once a letter.
            warnings.simplefilter("ignore", UserWarning)
            figure.savefig(one, format=kind, dpi=DPI, metadata=silent)
    return paths

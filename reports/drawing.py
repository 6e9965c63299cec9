"""What all drawn figures share: colors, panels, files. matplotlib is imported when something is drawn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.files import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette (2008), which color-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
#: Letters of a name in a legend; a longer one loses its middle.
LONGEST_NAME = 48


def panels(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, line by line; ``size`` is that of one, (width, height) in inches."""
    from matplotlib.figure import Figure

    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    grid: list[Any] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def label(axes: Axes, title: str, below: str, title_size: int) -> None:
    """Name a panel and its axis, and take away what distracts."""
    axes.set_title(title, fontsize=title_size)
    axes.set_xlabel(below, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def plain_name(name: str) -> str:
    """A foreign name for a title, where a dollar sign would begin a formula."""
    return name.replace("$", r"\$")


def legend_name(name: str) -> str:
    """A foreign name for a legend: short, and without the leading underscore that would leave it out."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"
    return plain_name(shown).lstrip("_") or "-"


def save(figure: Figure, path: Path, dpi: int = 110) -> Path:
    """Write a PNG, with the same bytes for the same figure, and make its folder if need be.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    with writing(path), warnings.catch_warnings():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Letters that its font lacks, which are drawn as boxes, and too little room are warned of once a letter.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})
    return path

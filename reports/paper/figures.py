"""The paper's figures, redrawn: from runs where there are any, from the published points where not, each labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.radar import RadarLine, radar
from reports.drawing import COLORS, label, legend_name, panels, save
from reports.paper.printed import exact_counts, read_data
from reports.statistics.crossing import first_crossing, speedup
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.paper.figure_runs import FigureRun

PUBLISHED = "published points"
BASELINE, MIRO = "#999999", "#D55E00"
#: Colors of other models and runs.
_OTHERS = tuple(color for color in COLORS if color not in (BASELINE, MIRO))
#: Models of the radars, in the order of the legend, with their colors.
RADAR_MODELS = {
    "Baseline": BASELINE,
    **dict(zip(("Aesthetic", "CLIP", "HPSv2", "Image Reward"), _OTHERS, strict=False)),
    "MIRO": MIRO,
    "Synth MIRO": _OTHERS[4],
}
FILE_DPI = 150


def draw_figures(folder: Path, runs: Sequence[FigureRun] = ()) -> list[Path]:
    """Write all five figures as PNG; ``folder`` is made if need be.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    from reports.files import writing

    makers: dict[str, Callable[[], Figure]] = {
        "training": training_curves,
        "best_of_n": lambda: best_of_n(runs),
        "radar_rewards": lambda: radar_rewards(runs),
        "radar_geneval": lambda: radar_geneval(runs),
        "aesthetic_weight": aesthetic_weight,
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [save(make(), folder / f"{name}.png", FILE_DPI) for name, make in makers.items()]


def training_curves() -> Figure:
    """Reward against training step, with the step at which MIRO reaches what the baseline ends with."""
    training = read_data("figures")["training"]
    steps = training["steps"]
    figure, grid = _panels(len(training["metrics"]), f"Training curves and speed-ups ({PUBLISHED})")
    for axes, (metric, curves) in zip(grid, training["metrics"].items(), strict=True):
        axes.plot(steps, curves["baseline"], marker="o", markersize=3, color=BASELINE, label="baseline")
        axes.plot(steps, curves["miro"], marker="o", markersize=3, color=MIRO, label="MIRO")
        _mark_speedup(axes, steps, curves["baseline"], curves["miro"])
        axes.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:.0f}k")
        _label(axes, metric, "training step")
    return figure


def _mark_speedup(axes: Axes, steps: Sequence[int], slow: Sequence[float], fast: Sequence[float]) -> None:
    crossing, factor = first_crossing(steps, fast, slow[-1]), speedup(steps, slow, fast)
    if crossing is None or factor is None:
        return
    axes.axhline(slow[-1], color=BASELINE, linestyle=":", linewidth=1)
    axes.axvline(crossing, color=MIRO, linestyle=":", linewidth=1)
    axes.annotate(
        f"{factor:.2f}× sooner\n(step {crossing:,.0f})",
        (crossing, slow[-1]),
        xytext=(12, -34),
        textcoords="offset points",
        fontsize=8,
        arrowprops={"arrowstyle": "->", "color": MIRO},
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )


def best_of_n(runs: Sequence[FigureRun] = ()) -> Figure:
    """Expected reward of the best of N images of a prompt, chosen by that reward."""
    published = read_data("figures")["best_of_n"]
    figure, grid = _panels(len(published["metrics"]), "Best of N, chosen by the same reward")
    colors = _colors(runs)
    for axes, (metric, curves) in zip(grid, published["metrics"].items(), strict=True):
        for model, color in (("baseline", BASELINE), ("miro", MIRO)):
            name = f"{'MIRO' if model == 'miro' else model} ({PUBLISHED})"
            axes.plot(published["sizes"], curves[model], "--", marker="o", markersize=3, color=color, label=name)
        for run, color in zip(runs, colors, strict=True):
            if metric in run.best_of:
                sizes = range(1, len(run.best_of[metric]) + 1)
                name = legend_name(f"{run.name} (measured{run.prompts})")
                axes.plot(sizes, run.best_of[metric], marker="s", color=color, label=name)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda size, _: f"{size:.0f}")
        _label(axes, metric, "N, images a prompt")
    return figure


def _colors(runs: Sequence[FigureRun]) -> list[str]:
    """The first run of a model has its color; others have colors that are nobody's."""
    own, free = {"Baseline": BASELINE, "MIRO": MIRO}, cycle(_OTHERS)
    return [own.pop(run.row, "") or next(free) for run in runs]


def radar_rewards(runs: Sequence[FigureRun] = ()) -> Figure:
    """Mean rewards of the models, each axis from its worst to its best model."""
    record = read_data("figures")["radar_rewards"]
    lines = []
    for model in RADAR_MODELS:
        measured = next((run for run in runs if run.row == model and set(record["axes"]) <= run.means.keys()), None)
        values = [measured.means[axis] for axis in record["axes"]] if measured else record["models"][model]
        lines.append(_radar_line(model, values, measured))
    return radar(record["axes"], lines, "Rewards (each axis: worst to best)")


def radar_geneval(runs: Sequence[FigureRun] = ()) -> Figure:
    """Tag accuracies of the models, in per cent; each axis from its worst to its best model."""
    counts = exact_counts()
    lines = []
    for model in RADAR_MODELS:
        measured = next((run for run in runs if run.row == model and set(TAGS) <= run.means.keys()), None)
        published = [100 * float(counts[model][tag].fraction) for tag in TAGS]
        lines.append(_radar_line(model, [measured.means[tag] for tag in TAGS] if measured else published, measured))
    return radar(TAGS, lines, "GenEval by tag (each axis: worst to best)")


def _radar_line(model: str, values: Sequence[float], run: FigureRun | None) -> RadarLine:
    name = f"{model} (measured: {run.name})" if run else f"{model} ({PUBLISHED})"
    return RadarLine(legend_name(name), tuple(values), run is not None, RADAR_MODELS[model])


def aesthetic_weight() -> Figure:
    """GenEval and rewards of Synth MIRO against the aesthetic target that it is given."""
    record = read_data("figures")["aesthetic_weight"]
    metrics = [name for name in record if name != "weights"]
    figure, grid = _panels(len(metrics), f"Synth MIRO against its aesthetic target ({PUBLISHED})")
    for axes, metric in zip(grid, metrics, strict=True):
        best = int(np.argmax(record[metric]))
        axes.plot(record["weights"], record[metric], marker="o", markersize=3, color=MIRO, label="Synth MIRO")
        where = (record["weights"][best], record[metric][best])
        axes.plot(*where, marker="*", markersize=11, linestyle="", color=COLORS[0], label="best")
        _label(axes, metric, "aesthetic target")
    return figure


def _panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    columns = 2 if count <= 4 else 4
    figure, grid = panels(count, columns, (4.4 if columns == 2 else 3.2, 3.2))
    figure.suptitle(title)
    return figure, grid


def _label(axes: Axes, metric: str, below: str) -> None:
    label(axes, "GenEval overall, %" if metric == "geneval" else f"mean {metric}", below, title_size=9)
    axes.legend(fontsize=7, frameon=False, loc="best")

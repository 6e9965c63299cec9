"""The paper's figures, redrawn: from runs where there are any, from the published points where not, each labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.radar import RadarLine, radar
from reports.drawing import COLORS, label, legend_name, panels, save
from reports.paper.measured import MeasuredRun, measure
from reports.paper.printed import exact_counts, printed_table, read_data
from reports.read.reward_rows import RewardTable
from reports.statistics.best_of_n import expected_best, usual_size
from reports.statistics.crossing import first_crossing, speedup
from wire.cards import NO_CARDS, Cards
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


@dataclass(frozen=True)
class FigureRun:
    """One run.

    Attributes:
        row: the row of Table 1 that it stands for.
        means: tag (per cent) or metric id -> mean; what was measured on the paper's prompts alone.
        best_of: metric id -> expected best of 1, 2, ... images of a prompt; empty with one image a prompt, and without
            metrics that ``paper table1`` would not compare.
        prompts: for the legend: over how many prompts.
        not_drawn: why metrics and scores that the run has are in no figure.
    """

    name: str
    row: str
    means: dict[str, float]
    best_of: dict[str, tuple[float, ...]]
    prompts: str
    not_drawn: tuple[str, ...] = ()


def figure_runs(inputs: Sequence[str], cards: Cards = NO_CARDS) -> list[FigureRun]:
    """Read runs as :func:`reports.paper.measured.measure` does, by the rows of Table 1.

    Raises:
        UserError: no such run, or a run of no row.
    """
    return [_figure_run(run) for run in measure(printed_table("table1"), inputs, cards)]


def _figure_run(run: MeasuredRun) -> FigureRun:
    means = {column: found.value for column, found in run.columns.items()} | run.further_means
    curves = {metric: curve for metric, curve in best_of(run.rewards).items() if metric in means}
    columns_of: dict[str, list[str]] = {}
    for column, reason in run.unlike.items():
        columns_of.setdefault(reason, []).append(column)
    not_drawn = tuple(f"{', '.join(columns)} ({reason})" for reason, columns in columns_of.items())
    prompts = "" if run.rewards is None else f", {run.rewards.frame['prompt_key'].nunique():,} prompts"
    return FigureRun(run.name, run.row, means, curves, prompts, not_drawn)


def best_of(rewards: RewardTable | None) -> dict[str, tuple[float, ...]]:
    """Metric id -> expected best of 1, 2, ..., n, over the prompts of which all n images are scored."""
    curves: dict[str, tuple[float, ...]] = {}
    for metric in rewards.metrics if rewards is not None else ():
        groups = [group.to_numpy() for _, group in rewards.frame.groupby("prompt_key")[metric]] if rewards else []
        images = usual_size([len(group) for group in groups])
        whole = [group for group in groups if len(group) >= images and not np.isnan(group).any()]
        if images > 1 and whole:
            sizes = range(1, images + 1)
            curves[metric] = tuple(float(np.mean([expected_best(one, size) for one in whole])) for size in sizes)
    return curves


def draw_figures(folder: Path, runs: Sequence[FigureRun] = ()) -> list[Path]:
    """Write all five figures as PNG; ``folder`` is made if need be.

    Raises:
        MiroEvalError: see :func:`reports.drawing.save`.
    """
    makers: dict[str, Callable[[], Figure]] = {
        "training": training_curves,
        "best_of_n": lambda: best_of_n(runs),
        "radar_rewards": lambda: radar_rewards(runs),
        "radar_geneval": lambda: radar_geneval(runs),
        "aesthetic_weight": aesthetic_weight,
    }
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
    lines = [_radar_line(model, record["axes"], record["models"][model], runs) for model in RADAR_MODELS]
    return radar(record["axes"], lines, "Rewards (each axis: worst to best)")


def radar_geneval(runs: Sequence[FigureRun] = ()) -> Figure:
    """Tag accuracies of the models, in per cent; each axis from its worst to its best model."""
    counts = exact_counts()
    published = {model: [100 * float(counts[model][tag].fraction) for tag in TAGS] for model in RADAR_MODELS}
    lines = [_radar_line(model, TAGS, values, runs) for model, values in published.items()]
    return radar(TAGS, lines, "GenEval by tag (each axis: worst to best)")


def _radar_line(model: str, axes: Sequence[str], published: Sequence[float], runs: Sequence[FigureRun]) -> RadarLine:
    """The first run of a model that has a value on every axis stands for it."""
    run = next((run for run in runs if run.row == model and set(axes) <= run.means.keys()), None)
    name = f"{model} (measured: {run.name})" if run else f"{model} ({PUBLISHED})"
    values = [run.means[axis] for axis in axes] if run else published
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

"""What the figures draw of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.paper.measured import MeasuredRun, measure
from reports.paper.printed import printed_table
from reports.read.reward_rows import RewardTable
from reports.statistics.best_of_n import expected_best, usual_size
from wire.cards import NO_CARDS, Cards


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
    return FigureRun(run.name, run.row, means, curves, _prompts(run.rewards), not_drawn)


def best_of(rewards: RewardTable | None) -> dict[str, tuple[float, ...]]:
    """Metric id -> expected best of 1, 2, ..., n, over the prompts of which all n images are scored."""
    curves: dict[str, tuple[float, ...]] = {}
    for metric in rewards.metrics if rewards is not None else ():
        groups = [group.to_numpy() for _, group in rewards.frame.groupby("prompt_key")[metric]] if rewards else []
        images = usual_size([len(group) for group in groups])
        whole = [group for group in groups if len(group) >= images and not np.isnan(group).any()]
        if images > 1 and whole:
            curves[metric] = _curve(whole, images)
    return curves


def _curve(prompts: Sequence[NDArray[np.float64]], images: int) -> tuple[float, ...]:
    sizes = range(1, images + 1)
    return tuple(float(np.mean([expected_best(values, size) for values in prompts])) for size in sizes)


def _prompts(rewards: RewardTable | None) -> str:
    return "" if rewards is None else f", {rewards.frame['prompt_key'].nunique():,} prompts"

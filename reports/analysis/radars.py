"""Radars of runs side by side: accuracy by tag, and mean rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.analysis.radar import RadarLine, radar
from reports.drawing import legend_name, save
from reports.files import writing
from wire.cards import card_of
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.read.reward_rows import RewardTable
    from reports.read.runs import Run

#: A wheel of fewer axes is none.
FEWEST_AXES = 3


def draw_radars(runs: Sequence[tuple[str, Run]], folder: Path) -> tuple[Path, ...]:
    """Write ``radar_tags.png`` and ``radar_rewards.png``, as far as runs have what they show.

    Rewards have no common scale: their axes go from the worst to the best run, so that there must be two.

    Raises:
        MiroEvalError: see :func:`reports.files.writing`.
    """
    figures = {"radar_tags": _tags(runs), "radar_rewards": _rewards(runs)}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        paths = [save(figure, folder / f"{name}.png") for name, figure in figures.items() if figure is not None]
    return tuple(paths)


def _tags(runs: Sequence[tuple[str, Run]]) -> Figure | None:
    means = {}
    for name, run in runs:
        if run.verdicts is not None:
            scored = run.verdicts.dropna(subset="correct").groupby("tag")["correct"].mean()
            means[name] = {str(tag): float(share) for tag, share in scored.items()}
    lines = _lines(means, TAGS)
    return radar(TAGS, lines, "GenEval by tag (every axis: 0 to 1)", bounds=(0.0, 1.0)) if lines else None


def _rewards(runs: Sequence[tuple[str, Run]]) -> Figure | None:
    tables = {name: run.rewards for name, run in runs if run.rewards is not None}
    shared = [metric for metric in next(iter(tables.values())).metrics if _in_all(metric, tables)] if tables else []
    means = {name: {metric: float(table.frame[metric].mean()) for metric in shared} for name, table in tables.items()}
    lines = _lines(means, shared)
    if len(shared) < FEWEST_AXES or len(lines) < 2:
        return None
    known = {metric: card for _, run in reversed(runs) for metric, card in run.manifest.cards.items()}
    cards = [card_of(metric, known) for metric in shared]
    labels, lower = [card.label for card in cards], [card.lower for card in cards]
    return radar(labels, lines, "Mean rewards (each axis: worst to best run)", lower=lower)


def _in_all(metric: str, tables: Mapping[str, RewardTable]) -> bool:
    return all(metric in table.metrics and table.frame[metric].notna().any() for table in tables.values())


def _lines(means: Mapping[str, Mapping[str, float]], axes: Sequence[str]) -> list[RadarLine]:
    """A line for each run that has a value on every axis."""
    return [
        RadarLine(legend_name(name), tuple(float(found[axis]) for axis in axes), measured=True)
        for name, found in means.items()
        if set(axes) <= found.keys()
    ]

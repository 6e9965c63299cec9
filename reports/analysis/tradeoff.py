"""Diversity against every score, run by run: what a checkpoint, a target or a guidance scale costs in diversity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports import drawing
from reports.analysis.curves import axis_label, bounds, scores_of, value_text
from reports.drawing import COLORS, MARKERS, SMALL, plot, save
from reports.files import csv_text, write_text
from reports.leaderboard.markdown import escape, markdown_table
from reports.read.cards import higher_is_better, known_cards
from reports.statistics.intervals import Interval
from reports.summary.run_summary import RunSummary, summarise_run
from wire.cards import Cards, card_of
from wire.vocabulary import GENEVAL2_SCORES, TAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.read.runs import Run

#: Scores that are parts of others, and would fill the page.
_PARTS = frozenset((*TAGS, *GENEVAL2_SCORES[1:]))
_NOTE = "Bars: 95 % intervals over prompts. Numbers: of the runs, as tradeoff.md lists them."
EXPLANATION = (
    "Mean diversity within prompts against every mean score, one number per run, with 95 % intervals over prompts. "
    "**front**: no other run is at least as good in both and better in one, by the point estimates; where intervals "
    "overlap, another sweep may say otherwise. Only runs with equally many samples per prompt are compared."
)


@dataclass(frozen=True)
class Place:
    """One run in one panel: its number in the table, name, score and diversity."""

    number: int
    name: str
    score: float
    score_interval: Interval | None
    diversity: float
    diversity_interval: Interval | None
    front: bool = False


@dataclass(frozen=True)
class Panel:
    """Runs of as many samples per prompt, by one score and one metric of diversity."""

    diversity: str
    score: str
    samples: int
    places: tuple[Place, ...]


def tradeoffs(summaries: Sequence[RunSummary]) -> list[Panel]:
    """All panels in which two runs or more can be held against each other."""
    cards = known_cards(summaries)
    known = [(number, run, list(scores_of(run))) for number, run in enumerate(summaries, start=1)]
    names = list(dict.fromkeys(name for *_, scores in known for name, *_ in scores if name not in _PARTS))
    together = [name for name in names if card_of(name, cards).over_samples]
    counts = sorted({run.rewards.samples_per_prompt for _, run, _ in known if run.rewards})
    found = []
    for diversity, score, samples in ((d, s, n) for d in together for s in names if s not in together for n in counts):
        places = []
        for number, run, scores in known:
            values = {name: (value, interval) for name, value, interval in scores}
            if {diversity, score} <= values.keys() and run.rewards and run.rewards.samples_per_prompt == samples:
                places.append(Place(number, run.name, *values[score], *values[diversity]))
        if len(places) > 1:
            found.append(Panel(diversity, score, samples, _with_front(places, score, diversity, cards)))
    return found


def _with_front(places: Sequence[Place], score: str, diversity: str, cards: Cards) -> tuple[Place, ...]:
    signs = [-1.0 if higher_is_better(name, cards) is False else 1.0 for name in (score, diversity)]
    points = [(signs[0] * one.score, signs[1] * one.diversity) for one in places]

    def beaten(own: tuple[float, float]) -> bool:
        return any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in points)

    return tuple(replace(one, front=not beaten(point)) for one, point in zip(places, points, strict=True))


def write_tradeoffs(runs: Sequence[tuple[str, Run]], folder: Path, further: Sequence[str] = ()) -> tuple[Path, ...]:
    """Write ``tradeoff.md``, ``tradeoff.csv`` and ``tradeoff.png``; nothing where no two runs have a diversity.

    The figure is in ``further`` formats (pdf, svg), too.
    Raises MiroEvalError: see :func:`reports.files.writing`.
    """
    known = [
        (name, run)
        for name, run in runs
        if run.rewards and any(card_of(one, run.manifest.cards).over_samples for one in run.rewards.metrics)
    ]
    summaries = [replace(summarise_run(run), name=name) for name, run in known] if len(known) > 1 else []
    found = tradeoffs(summaries)
    if not found:
        return ()
    cards = known_cards(summaries)
    markdown = write_text(folder / "tradeoff.md", _markdown(found, cards))
    table = write_text(folder / "tradeoff.csv", csv_text(_lines(found)))
    figure = plot([_drawn(panel, cards) for panel in found], note=_NOTE)
    return markdown, table, *save(figure, folder / "tradeoff.png", further)


def _lines(found: Sequence[Panel]) -> Iterator[Sequence[object]]:
    yield (
        *("diversity_metric", "score_metric", "samples_per_prompt", "model", "score", "score_low", "score_high"),
        *("diversity", "diversity_low", "diversity_high", "front"),
    )
    for panel in found:
        for one in panel.places:
            yield (
                *(panel.diversity, panel.score, panel.samples, one.name, one.score, *bounds(one.score_interval)),
                *(one.diversity, *bounds(one.diversity_interval), one.front),
            )


def _markdown(found: Sequence[Panel], cards: Cards) -> str:
    blocks = ["# Diversity against scores", EXPLANATION, "![diversity against scores](tradeoff.png)"]
    for panel in found:
        heads = [card_of(name, cards).label for name in (panel.score, panel.diversity)]
        blocks.append(f"## {escape(heads[1])} against {escape(heads[0])}, {panel.samples} samples per prompt")
        rows = [["", "run", escape(heads[0]), escape(heads[1]), "front"], ["--:", ":--", "--:", "--:", ":--"]]
        rows += [
            [
                str(one.number),
                escape(one.name),
                value_text(one.score, one.score_interval),
                value_text(one.diversity, one.diversity_interval),
                "front" if one.front else "",
            ]
            for one in panel.places
        ]
        blocks.append(markdown_table(rows))
    return "\n\n".join(blocks) + "\n"


def _drawn(panel: Panel, cards: Cards) -> drawing.Panel:
    """The runs by their numbers, with both intervals; those on the front joined by a line."""
    across = f"{axis_label(panel.diversity, cards)}\n{panel.samples} samples"
    return drawing.Panel(across, axis_label(panel.score, cards), (), finish=lambda axes: _draw(axes, panel))


def _draw(axes: Axes, panel: Panel) -> None:
    axes.locator_params(axis="x", nbins=3)
    for front, text in ((False, "other runs"), (True, "Pareto front")):
        own = sorted((one for one in panel.places if one.front is front), key=lambda one: one.score)
        if not own:
            continue
        reach = [
            np.array([(v - i.low, i.high - v) if i else (0.0, 0.0) for v, i in points]).clip(0.0).T
            for points in (
                [(one.score, one.score_interval) for one in own],
                [(one.diversity, one.diversity_interval) for one in own],
            )
        ]
        axes.errorbar(
            [one.score for one in own],
            [one.diversity for one in own],
            xerr=reach[0],
            yerr=reach[1],
            label=text,
            color=COLORS[0 if front else 7],
            marker=MARKERS[0 if front else 1],
            markersize=3.2,
            linewidth=1.1 if front else 0.0,
            elinewidth=0.8,
        )
    for one in panel.places:
        axes.annotate(str(one.number), (one.score, one.diversity), (3, 3), textcoords="offset points", fontsize=SMALL)

"""Scores over a grid of a protocol's fields: the weight and guidance sweeps of the MIRO paper, for any checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.analysis.curves import Curve, Point, bounds, draw, scores_of
from reports.files import csv_text, write_text
from reports.leaderboard.collect import collect
from reports.read.cards import higher_is_better, known_cards
from reports.read.runs import find_run
from reports.summary.run_summary import RunSummary
from wire.cards import NO_CARDS, Cards

#: Axis, or field, -> value: a number, or a word.
Values = Mapping[str, float | str]
#: Column, and name in legends, of the checkpoint where a grid has several.
MODEL = "model"


@dataclass(frozen=True)
class SweepPoint:
    """One run of a grid."""

    values: Values  #: of its fields
    places: Values  #: on each axis, of which one may be of several fields
    path: Path
    model: str = ""  #: its checkpoint's name, where the grid has several


@dataclass(frozen=True)
class SweepFiles:
    """``sweep.csv`` with every score of every point in full precision, and a picture along each axis.

    ``sweep.png`` is along the first axis; others bear their axis' name.
    """

    csv: Path
    images: tuple[Path, ...]


def write_sweep(points: Sequence[SweepPoint], out_dir: Path, cards: Cards = NO_CARDS) -> SweepFiles:
    """Tabulate and draw the scores of finished runs, all over the same axes in one order.

    Along each axis, every combination of the others' values is a curve of its own.
    Raises UserError: a run is missing, empty or malformed, or the folder cannot be written to.
    """
    with TemporaryDirectory(prefix="miro-eval-") as parts:
        runs, _ = collect([find_run(point.path, cards) for point in points], Path(parts))
    summaries = [run.summary for run in runs]
    # A checkpoint is a place, too, but no axis to draw along.
    models: list[Values] = [{MODEL: point.model} if point.model else {} for point in points]
    places = [{**model, **point.places} for model, point in zip(models, points, strict=True)]
    values = [{**model, **point.values} for model, point in zip(models, points, strict=True)]
    csv = write_text(out_dir / "sweep.csv", _csv(values, summaries))
    images = []
    for number, axis in enumerate(points[0].places):
        images.append(out_dir / ("sweep.png" if number == 0 else f"sweep-{re.sub(r'[^A-Za-z0-9.=-]+', '_', axis)}.png"))
        draw(sweep_curves(places, summaries, axis), images[-1], known_cards(summaries))
    return SweepFiles(csv, tuple(images))


def sweep_curves(places: Sequence[Values], summaries: Sequence[RunSummary], axis: str = "") -> list[Curve]:
    """A curve along an axis (the first, if none is named) for each metric and combination of the others."""
    axis, cards = axis or next(iter(places[0])), known_cards(summaries)
    words = [value for value in dict.fromkeys(place[axis] for place in places) if isinstance(value, str)]
    found: dict[tuple[str, str], list[Point]] = {}
    for place, summary in zip(places, summaries, strict=True):
        others = ", ".join(f"{name}={_text(value)}" for name, value in place.items() if name != axis)
        value = place[axis]
        step = float(words.index(value)) if isinstance(value, str) else float(value)
        for metric, score, interval in scores_of(summary):
            found.setdefault((metric, others), []).append(Point(step, score, interval))
    return [
        Curve(
            others,
            metric,
            tuple(sorted(own, key=lambda point: point.step)),
            by_order=False,
            axis=axis,
            higher_is_better=higher_is_better(metric, cards),
            words=tuple(words),
        )
        for (metric, others), own in found.items()
    ]


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _csv(points: Sequence[Values], summaries: Sequence[RunSummary]) -> str:
    """One line a point and metric; bounds are those of the 95 % interval, empty where there is none."""
    lines = (
        (*values.values(), metric, value, *bounds(interval))
        for values, summary in zip(points, summaries, strict=True)
        for metric, value, interval in scores_of(summary)
    )
    return csv_text(((*points[0], "metric", "value", "low", "high"), *lines))

"""Scores over a grid of reward targets: the weight sweep of the MIRO paper (arXiv 2510.25897), for any checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.analysis.curves import Curve, Point, bounds, draw, known_cards, scores_of
from reports.files import csv_text, write_text
from reports.leaderboard.collect import collect
from reports.read.cards import higher_is_better
from reports.read.runs import find_run
from reports.summary.run_summary import RunSummary
from wire.cards import NO_CARDS, Cards

#: A point's reward targets: axis -> value.
Targets = Mapping[str, float]


@dataclass(frozen=True)
class SweepFiles:
    """``sweep.csv`` with every score of every point in full precision, ``sweep.png`` to look at."""

    csv: Path
    image: Path


def write_sweep(points: Sequence[tuple[Targets, Path]], out_dir: Path, cards: Cards = NO_CARDS) -> SweepFiles:
    """Tabulate and draw the scores of finished runs against their reward targets, all over the same axes in one order.

    The first axis is drawn along; each combination of the others' values is a curve of its own.

    Raises:
        UserError: a run is missing, empty or malformed, or the folder cannot be written to.
    """
    with TemporaryDirectory(prefix="miro-eval-") as parts:
        runs, _ = collect([find_run(path, cards) for _, path in points], Path(parts))
    summaries, targets = [run.summary for run in runs], [one for one, _ in points]
    files = SweepFiles(write_text(out_dir / "sweep.csv", _csv(targets, summaries)), out_dir / "sweep.png")
    draw(sweep_curves(targets, summaries), files.image, known_cards(summaries))
    return files


def sweep_curves(points: Sequence[Targets], summaries: Sequence[RunSummary]) -> list[Curve]:
    """A curve a metric and combination of the axes after the first."""
    axis, cards = next(iter(points[0])), known_cards(summaries)
    found: dict[tuple[str, str], list[Point]] = {}
    for targets, summary in zip(points, summaries, strict=True):
        others = ", ".join(f"{name}={value:g}" for name, value in targets.items() if name != axis)
        for metric, value, interval in scores_of(summary):
            found.setdefault((metric, others), []).append(Point(targets[axis], value, interval))
    return [
        Curve(
            others,
            metric,
            tuple(sorted(own, key=lambda point: point.step)),
            by_order=False,
            axis=axis,
            higher_is_better=higher_is_better(metric, cards),
        )
        for (metric, others), own in found.items()
    ]


def _csv(points: Sequence[Targets], summaries: Sequence[RunSummary]) -> str:
    """One line a point and metric; bounds are those of the 95 % interval, empty where there is none."""
    lines = (
        (*targets.values(), metric, value, *bounds(interval))
        for targets, summary in zip(points, summaries, strict=True)
        for metric, value, interval in scores_of(summary)
    )
    return csv_text(((*points[0], "metric", "value", "low", "high"), *lines))

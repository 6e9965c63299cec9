"""The curves as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from reports.analysis.track.curves import Curve, Point
from reports.analysis.track.speedups import SpeedUp
from reports.leaderboard.markdown import escape
from reports.read.cards import guessed
from wire.cards import NO_CARDS


def track_csv(curves: Sequence[Curve]) -> str:
    """One line a point, in full precision; bounds are those of the 95 % interval, empty where there is none."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["training", "metric", "step", "value", "low", "high"])
    for curve in curves:
        for point in curve.points:
            bounds = (point.interval.low, point.interval.high) if point.interval else ("", "")
            lines.writerow([curve.training, curve.metric, point.step, point.value, *bounds])
    return text.getvalue()


def track_markdown(curves: Sequence[Curve], factors: Sequence[SpeedUp]) -> str:
    """A table a metric, and the speed-ups."""
    blocks = ["# Training curves", "![curves](track.png)"]
    if any(curve.by_order for curve in curves):
        blocks.append("No training step is recorded: checkpoints are numbered in the order given.")
    blocks += _speedups(factors)
    if factors and (unknown := dict.fromkeys(one.metric for one in curves if one.higher_is_better is None)):
        blocks += [f"{escape(note)}." for note in guessed(unknown, NO_CARDS)]
    for label in dict.fromkeys(curve.label for curve in curves):
        own = [curve for curve in curves if curve.label == label]
        blocks += [f"## {escape(label)}", _table(own)]
    return "\n\n".join(blocks) + "\n"


def _speedups(factors: Sequence[SpeedUp]) -> Iterator[str]:
    if factors:
        yield "## Speed-ups"
        yield (
            "Final value of one training run, and the first step (linear between checkpoints) at which the other has "
            "reached it. Only means are compared: look at the intervals of both before citing a factor."
        )
        lines = ["| metric | of | final value | at step | reached by | at step | speed-up |"]
        lines.append("| :-- | :-- | --: | --: | :-- | --: | --: |")
        lines += [f"| {' | '.join(_speedup(one))} |" for one in factors]
        yield "\n".join(lines)


def _speedup(one: SpeedUp) -> list[str]:
    crossing = "never" if one.crossing is None else f"{one.crossing:,.0f}"
    factor = "" if one.factor is None else f"{'at least ' if one.at_first else ''}{one.factor:.2f}x"
    about = [escape(one.metric), escape(one.slow), f"{one.target:.4f}", f"{one.last_step:,}"]
    return [*about, escape(one.fast), crossing, factor]


def _table(curves: Sequence[Curve]) -> str:
    steps = sorted({point.step for curve in curves for point in curve.points})
    points = [{point.step: point for point in curve.points} for curve in curves]
    rows = [["step", *(escape(curve.training) for curve in curves)], ["--:"] * (len(curves) + 1)]
    rows += [[f"{step:,}", *(_cell(own.get(step)) for own in points)] for step in steps]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(point: Point | None) -> str:
    if point is None:
        return ""
    bounds = f" ({point.interval.low:.4f} to {point.interval.high:.4f})" if point.interval else ""
    return f"{point.value:.4f}{bounds}"

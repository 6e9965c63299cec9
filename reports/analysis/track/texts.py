"""The curves as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.analysis.track.curves import Curve, Point, bounds
from reports.analysis.track.speedups import SpeedUp
from reports.files import csv_text
from reports.leaderboard.markdown import escape, markdown_table
from reports.read.cards import guessed
from wire.cards import NO_CARDS


def track_csv(curves: Sequence[Curve]) -> str:
    """One line a point, in full precision; bounds are those of the 95 % interval, empty where there is none."""
    lines = (
        (curve.training, curve.metric, point.step, point.value, *bounds(point.interval))
        for curve in curves
        for point in curve.points
    )
    return csv_text((("training", "metric", "step", "value", "low", "high"), *lines))


def track_markdown(curves: Sequence[Curve], factors: Sequence[SpeedUp], notes: Sequence[str] = ()) -> str:
    """A table a metric, and the speed-ups, after notes on the runs."""
    blocks = ["# Training curves", "![curves](track.png)"]
    if any(curve.by_order for curve in curves):
        blocks.append("No training step is recorded: checkpoints are numbered in the order given.")
    blocks += [f"{escape(note)}." for note in notes]
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
            "reached it. Only means are compared: look at the intervals of both before citing a factor. There is no "
            "difference where each would be sooner than the other."
        )
        header = ["metric", "of", "final value", "at step", "reached by", "at step", "speed-up"]
        rule = [":--", ":--", "--:", "--:", ":--", "--:", "--:"]
        yield markdown_table([header, rule, *map(_speedup, factors)])


def _speedup(one: SpeedUp) -> list[str]:
    crossing = "never" if one.crossing is None else f"{one.crossing:,.0f}"
    factor = "" if one.factor is None else f"{'at least ' if one.at_first else ''}{one.factor:.2f}x"
    factor = "no difference" if one.mutual else factor
    about = [escape(one.metric), escape(one.slow), f"{one.target:.4f}", f"{one.last_step:,}"]
    return [*about, escape(one.fast), crossing, factor]


def _table(curves: Sequence[Curve]) -> str:
    steps = sorted({point.step for curve in curves for point in curve.points})
    points = [{point.step: point for point in curve.points} for curve in curves]
    rows = [["step", *(escape(curve.training) for curve in curves)], ["--:"] * (len(curves) + 1)]
    rows += [[f"{step:,}", *(_cell(own.get(step)) for own in points)] for step in steps]
    return markdown_table(rows)


def _cell(point: Point | None) -> str:
    if point is None:
        return ""
    interval = f" ({point.interval.low:.4f} to {point.interval.high:.4f})" if point.interval else ""
    return f"{point.value:.4f}{interval}"

"""Training curves: scores of a training run's checkpoints against the step, and who gets where sooner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.analysis.curves import Curve, Point, bounds, draw, scores_of, value_text
from reports.analysis.steps import PlacedRun, disorder, placed
from reports.files import csv_text, write_text
from reports.leaderboard.collect import collect
from reports.leaderboard.markdown import escape, markdown_table
from reports.leaderboard.protocols import prompts_note, table_notes
from reports.read.cards import guessed, higher_is_better, known_cards
from reports.read.find import find_runs
from reports.statistics.crossing import first_crossing
from reports.summary.run_summary import RunSummary
from wire.cards import NO_CARDS, Cards
from wire.vocabulary import TAGS


@dataclass(frozen=True)
class TrackFiles:
    """``track.md`` for reading, ``track.csv`` with every point in full precision, ``track.png`` to look at."""

    markdown: Path
    csv: Path
    image: Path
    notes: tuple[str, ...] = ()  #: which runs were passed over; see :class:`reports.read.find.Found`


@dataclass(frozen=True)
class SpeedUp:
    """One training run measured by the end of another, on one metric."""

    metric: str  #: as tables name it
    fast: str
    slow: str
    target: float  #: the slow one's final value
    last_step: float  #: at which the slow one has it
    #: Step at which the fast one first has it, linear between checkpoints; None where it never does.
    crossing: float | None
    at_first: bool  #: it has it at its first checkpoint already, so that the factor is a lower bound
    mutual: bool = False  #: the slow one is as much sooner at the end of the fast one, so that neither is


def write_track(
    inputs: Sequence[Path], out_dir: Path, cards: Cards = NO_CARDS, further: Sequence[str] = ()
) -> TrackFiles:
    """Draw and tabulate the curves of one training run, or of several, from runs of its checkpoints in any order.

    The image is a PNG; in ``further`` formats (pdf, svg) it stands beside it.
    Raises UserError: a run is missing, empty or malformed, its step is unknown where others' are known, two runs stand
    for one checkpoint, or the folder cannot be written to.
    """
    sources, notes = find_runs(inputs, cards)
    places = placed(sources)
    with TemporaryDirectory(prefix="miro-eval-") as parts:
        runs, faults = collect([place.source for place in places], Path(parts))
    summaries, read = [run.summary for run in runs], {run.source.path for run in runs}
    curves = _curves([place for place in places if place.source.path in read], summaries)
    unlike = (*disorder(places), *prompts_note(summaries), *table_notes(summaries))
    notes = (*notes, *faults, *unlike, *(f"{run.name}: {note}" for run in summaries for note in run.rewards_notes))
    files = TrackFiles(
        markdown=write_text(out_dir / "track.md", _markdown(curves, _speedups(curves), notes)),
        csv=write_text(out_dir / "track.csv", _csv(curves)),
        image=out_dir / "track.png",
        notes=notes,
    )
    draw(curves, files.image, known_cards(summaries), further)
    return files


def _curves(places: Sequence[PlacedRun], summaries: Sequence[RunSummary]) -> list[Curve]:
    """All curves: overall, the tags, then rewards; within a metric by training run."""
    points: dict[str, dict[str, list[Point]]] = {}
    for place, summary in zip(places, summaries, strict=True):
        for metric, value, interval in scores_of(summary):
            points.setdefault(metric, {}).setdefault(place.training, []).append(Point(place.step, value, interval))
    by_order = any(place.by_order for place in places)
    cards = known_cards(summaries)
    order = ["overall", *TAGS]
    metrics = sorted(points, key=lambda metric: order.index(metric) if metric in order else len(order))
    return [
        Curve(training, metric, tuple(found), by_order, higher_is_better=higher_is_better(metric, cards))
        for metric in metrics
        for training, found in points[metric].items()
    ]


def _speedups(curves: Sequence[Curve]) -> list[SpeedUp]:
    """Every training run against the end of every other; none where only the order of checkpoints is known."""
    if any(curve.by_order for curve in curves):
        return []
    pairs = [(fast, slow) for slow in curves for fast in curves if fast.metric == slow.metric]
    found = [_speedup(fast, slow) for fast, slow in pairs if fast.training != slow.training]
    reverse = {(one.metric, one.slow, one.fast): one for one in found}
    return [replace(one, mutual=_mutual(one, reverse[one.metric, one.fast, one.slow])) for one in found]


def _speedup(fast: Curve, slow: Curve) -> SpeedUp:
    last = slow.points[-1]
    sign = -1.0 if slow.higher_is_better is False else 1.0
    values = [sign * point.value for point in fast.points]
    return SpeedUp(
        metric=slow.label,
        fast=fast.training,
        slow=slow.training,
        target=last.value,
        last_step=last.step,
        crossing=first_crossing([point.step for point in fast.points], values, sign * last.value),
        at_first=values[0] >= sign * last.value,
    )


def _mutual(one: SpeedUp, other: SpeedUp) -> bool:
    """Whether each reaches the other's end before the other is there, or both at their last steps."""
    if one.crossing is None or other.crossing is None:
        return False
    both_before = one.crossing < one.last_step and other.crossing < other.last_step
    return both_before or (one.crossing == one.last_step and other.crossing == other.last_step)


def _csv(curves: Sequence[Curve]) -> str:
    """One line a point, in full precision; bounds are those of the 95 % interval, empty where there is none."""
    lines = (
        (curve.training, curve.metric, point.step, point.value, *bounds(point.interval))
        for curve in curves
        for point in curve.points
    )
    return csv_text((("training", "metric", "step", "value", "low", "high"), *lines))


def _markdown(curves: Sequence[Curve], factors: Sequence[SpeedUp], notes: Sequence[str]) -> str:
    """A table a metric, and the speed-ups, after notes on the runs."""
    blocks = ["# Training curves", "![curves](track.png)"]
    if any(curve.by_order for curve in curves):
        blocks.append("No training step is recorded: checkpoints are numbered in the order given.")
    blocks += [f"{escape(note)}." for note in notes]
    blocks += _factor_blocks(factors)
    if factors and (unknown := dict.fromkeys(one.metric for one in curves if one.higher_is_better is None)):
        blocks += [f"{escape(note)}." for note in guessed(unknown, NO_CARDS)]
    for label in dict.fromkeys(curve.label for curve in curves):
        blocks += [f"## {escape(label)}", _table([curve for curve in curves if curve.label == label])]
    return "\n\n".join(blocks) + "\n"


def _factor_blocks(factors: Sequence[SpeedUp]) -> Iterator[str]:
    if factors:
        yield "## Speed-ups"
        yield (
            "Final value of one training run, and the first step (linear between checkpoints) at which the other has "
            "reached it. Only means are compared: look at the intervals of both before citing a factor. There is no "
            "difference where each would be sooner than the other."
        )
        header = ["metric", "of", "final value", "at step", "reached by", "at step", "speed-up"]
        rule = [":--", ":--", "--:", "--:", ":--", "--:", "--:"]
        yield markdown_table([header, rule, *map(_factor_line, factors)])


def _factor_line(one: SpeedUp) -> list[str]:
    crossing = "never" if one.crossing is None else f"{one.crossing:,.0f}"
    factor = f"{'at least ' if one.at_first else ''}{one.last_step / one.crossing:.2f}x" if one.crossing else ""
    about = [escape(one.metric), escape(one.slow), f"{one.target:.4f}", f"{one.last_step:,}"]
    return [*about, escape(one.fast), crossing, "no difference" if one.mutual else factor]


def _table(curves: Sequence[Curve]) -> str:
    steps = sorted({point.step for curve in curves for point in curve.points})
    points = [{point.step: point for point in curve.points} for curve in curves]
    rows = [["step", *(escape(curve.training) for curve in curves)], ["--:"] * (len(curves) + 1)]
    rows += [[f"{step:,}", *(_cell(own.get(step)) for own in points)] for step in steps]
    return markdown_table(rows)


def _cell(point: Point | None) -> str:
    return value_text(point.value, point.interval) if point else ""

"""Runs as the paper's tables would show them: which row each stands for, and its values in the paper's units."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reports.paper.printed import GENEVAL_COLUMNS, PAPER_SEED, PrintedRow, PrintedTable, RowProtocol
from reports.paper.results import checkpoints, find_result, runs_in
from reports.read.cards import outside_range
from reports.read.names import told_apart
from reports.read.runs import Run, read_run
from reports.read.selection import Selection, cannot_select, select
from reports.read.suite import PARTI_DIGEST, PARTI_PROMPTS, suite_digest
from reports.statistics.intervals import Interval
from reports.summary.coverage import Suite
from reports.summary.geneval_summary import GenevalSummary, summarise_geneval
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.rewards_summary import summarise_rewards
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.vocabulary import TAGS

#: What a row's protocol says of a pipeline that is sampled as its makers sample it.
OWN = "own"
#: Field of reward targets -> the target of an axis that is not named.
USUAL_TARGETS = {"reward_targets": 1.0, "negative_reward_targets": 0.0}


@dataclass(frozen=True)
class Measurement:
    """A value of a run, in the table's unit, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredRun:
    """A run, under the name of a row."""

    name: str
    row: str  #: the table's row that it stands for
    columns: dict[str, Measurement]  #: what was measured on the paper's prompts
    unlike: dict[str, str]  #: column -> why a value that the run has is not the paper's kind of value
    notes: tuple[str, ...]
    tflop: float | None = None  #: of making one image that is kept; None where not recorded
    #: Stage -> wall time of its busiest worker, for the whole run.
    hours: dict[str, float] = field(default_factory=dict)


def measure(table: PrintedTable, inputs: Sequence[str], cards: Cards = NO_CARDS) -> list[MeasuredRun]:
    """Read runs and find their rows: one run stands for all rows of its model under its targets.
    ``inputs``: run directories or files of rows, each as ``PATH`` or ``ROW=PATH``. Without a row, the run's name (a
    released checkpoint's, or a row's) and its reward targets tell.
    Raises UserError: no such run, no such row, or a run that names no row.
    """
    found: list[tuple[Run, list[PrintedRow]]] = []
    for text in inputs:
        row, separator, place = text.partition("=")
        row, path = (row.strip(), Path(place)) if separator and not Path(text).exists() else ("", Path(text))
        run = read_run(path, cards)
        found.append((run, [table.row(row)] if row else _rows_of(table, run, path)))
    named = told_apart([run for run, _ in found])
    return [_measured(table, row, run) for run, (_, rows) in zip(named, found, strict=True) for row in rows]


def measure_folder(table: PrintedTable, folder: Path, cards: Cards = NO_CARDS) -> list[MeasuredRun]:
    """The runs of a table in a folder that ``paper reproduce`` filled: each row from the sets that were made for it.
    Raises UserError: there are none, or one cannot be read.
    """
    sets = {one.set.key: one.set for one in find_result(table.key).inputs}
    measured: list[MeasuredRun] = []
    for found in runs_in(folder, table.key):
        run = replace(read_run(found.path, cards), name="/".join(filter(None, (found.set, found.model, found.point))))
        rows = _rows_for(table, found.model, run)
        measured += [_measured(table, row, run) for row in rows if row.protocol.samples == sets[found.set].samples]
    if not measured:
        remedy = f"make some: miro-eval paper reproduce {table.key} --out {folder} --run"
        raise UserError(f"{folder}: no runs of {table.key} in it; {remedy}")
    return measured


def _measured(table: PrintedTable, row: PrintedRow, run: Run) -> MeasuredRun:
    columns: dict[str, Measurement] = {}
    unlike: dict[str, str] = {}
    notes = (*_protocol_notes(row, run), *run.repeats, *(run.rewards.notes if run.rewards else ()))
    per_image = run.manifest.tflop_per_image
    tflop = None if per_image is None else per_image * max(1, row.protocol.best_of)
    if reason := _not_comparable(row.protocol, run):
        own = (*(GENEVAL_COLUMNS if run.verdicts is not None else ()), *(run.rewards.metrics if run.rewards else ()))
        about = own if run.manifest.random_weights else table.decimals
        return MeasuredRun(run.name, row.name, {}, dict.fromkeys(about, reason), notes, tflop, run.manifest.hours)
    if row.protocol.best_of:
        selection = Selection(row.protocol.best_of, row.protocol.by)
        run = select(run, selection)
        notes = (*notes, f"{selection.name}: {run.repeats[-1]}")
    for column, value in (*verdict_columns(run), *reward_columns(run)):
        if isinstance(value, str):
            unlike[column] = value
        elif column in table.decimals:
            columns[column] = value
    return MeasuredRun(run.name, row.name, columns, unlike, notes, tflop, run.manifest.hours)


def _not_comparable(protocol: RowProtocol, run: Run) -> str:
    """Why nothing of a run is what the row's protocol gives; empty where it is, as far as the run records it."""
    if run.manifest.random_weights:
        return RANDOM_WEIGHTS
    if protocol.best_of and (reason := cannot_select(run, Selection(protocol.best_of, protocol.by))):
        return reason
    recorded = run.manifest.protocol
    for name in ("steps", "guidance_scale"):
        wanted = getattr(protocol, name)
        if wanted != OWN and recorded.get(name, "null") != "null" and json.loads(recorded[name]) != wanted:
            return f"{name} is {recorded[name]}, the row's is {wanted}"
    for name, usual in USUAL_TARGETS.items() if recorded else ():
        wanted, found = getattr(protocol, name), recorded_targets(recorded, name)
        for axis in dict.fromkeys((*wanted, *found)):
            if found.get(axis, usual) != wanted.get(axis, usual):
                own = found.get(axis, f"{usual:g}")
                return f"{name.replace('_', ' ')}: {axis} is {own}, the row's is {wanted.get(axis, usual):g}"
    return ""


def recorded_targets(recorded: Mapping[str, str], field: str = "reward_targets") -> dict[str, Any]:
    """Axis -> target, of a flat protocol; whatever stands there."""
    prefix = f"{field}."
    return {key.removeprefix(prefix): json.loads(value) for key, value in recorded.items() if key.startswith(prefix)}


def _rows_of(table: PrintedTable, run: Run, path: Path) -> list[PrintedRow]:
    """Rows that a run stands for by its name and its reward targets, those of its best images last."""
    rows = _rows_for(table, run.name, run) or [row for row in table.rows if row.name.lower() == run.name.lower()]
    if not rows:
        raise UserError(f"{path}: run {run.name!r} is no row of {table.key}; say which it stands for: ROW={path}")
    return sorted(rows, key=lambda row: row.protocol.best_of)


def _rows_for(table: PrintedTable, model: str, run: Run) -> list[PrintedRow]:
    """Rows of a model under the run's reward targets."""
    found = {axis: value for axis, value in recorded_targets(run.manifest.protocol).items() if value != 1.0}
    return [row for row in table.rows if row.model == model and dict(row.protocol.reward_targets) == found]


def _measurement(value: float | None, interval: Interval | None, reason: str, unit: float = 1.0) -> Measurement | str:
    if reason or value is None or interval is None:
        return reason or "too few prompts"
    return Measurement(unit * value, unit * interval.low, unit * interval.high)


def verdict_columns(run: Run) -> Iterator[tuple[str, Measurement | str]]:
    """Overall and tags, in per cent; or why one is not the paper's kind of value."""
    if run.verdicts is None:
        return
    summary = summarise_geneval(run.verdicts, run.manifest.protocol)
    reason = _not_the_papers_sweep(summary)
    yield "overall", _measurement(summary.overall, summary.overall_interval, reason, 100.0)
    for tag in TAGS:
        accuracy = summary.tags[tag]
        yield tag, _measurement(accuracy.images.value, accuracy.images_interval, reason, 100.0)


def _not_the_papers_sweep(summary: GenevalSummary) -> str:
    """Why the verdicts are not those of GenEval's whole suite, nearly all of it scored; empty where they are."""
    if not summary.coverage.all_prompts:
        return f"{summary.coverage.text} only"
    if not summary.coverage.scored.whole:
        return f"scored {summary.coverage.scored.text}"
    return "" if summary.coverage.suite is Suite.GENEVAL else "prompts that are not GenEval's own"


def reward_columns(run: Run) -> Iterator[tuple[str, Measurement | str]]:
    """Mean rewards; or why one is not the paper's kind of value."""
    if run.rewards is None:
        return
    prompts: Sequence[Any] = run.rewards.frame["prompt"].tolist()
    is_parti = suite_digest(("", prompt) for prompt in prompts) == PARTI_DIGEST
    other_prompts = "" if is_parti else f"over other prompts than the paper's {PARTI_PROMPTS:,} PartiPrompts"
    outside = outside_range(run, run.manifest.cards)
    for metric, summary in summarise_rewards(run.rewards, {}, run.manifest.protocol).metrics.items():
        part = "" if summary.scored.whole else f"scored {summary.scored.text}"
        yield metric, _measurement(summary.mean, summary.interval, other_prompts or outside.get(metric) or part)


def _protocol_notes(printed: PrintedRow, run: Run) -> Iterator[str]:
    row, protocol, made = printed.protocol, run.manifest.protocol, run.manifest.name
    if made != printed.model and made in checkpoints():
        yield f"the run is named as the paper's {made}, the row is of {printed.model}"
    if not protocol:
        yield "no protocol is recorded, so it may not be the paper's"
    for name, paper in (("samples", str(row.samples)), ("seed", PAPER_SEED)):
        if protocol and protocol.get(name) not in (None, paper):
            yield f"{name} is {protocol[name]}, the paper's is {paper}"

"""Runs as the paper's tables would show them: which row each stands for, and its values in the paper's units."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.paper.checkpoints import released_runs
from reports.paper.printed import PrintedTable
from reports.read.cards import outside_range
from reports.read.names import told_apart
from reports.read.reward_rows import RewardTable
from reports.read.runs import Run, read_run
from reports.read.suite import PARTI_DIGEST, PARTI_PROMPTS, suite_digest
from reports.statistics.intervals import Interval
from reports.summary.coverage import Suite
from reports.summary.geneval_summary import GenevalSummary, summarise_geneval
from reports.summary.notes import RANDOM_WEIGHTS
from reports.summary.rewards_summary import summarise_rewards
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.vocabulary import TAGS

#: Settings of the paper's sweeps that a manifest records, as JSON text.
PAPER_SETTINGS = {"samples": "4", "steps": "50", "guidance_scale": "7.0", "seed": "42"}


@dataclass(frozen=True)
class Measurement:
    """A value of a run, in the table's unit, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredRun:
    """A run, under the name of a row.

    Attributes:
        row: the table's row that it stands for.
        columns: what was measured on the paper's prompts.
        unlike: column -> why a value that the run has is not the paper's kind of value.
        further_means: metrics that the table has no column for, measured on the paper's prompts.
        rewards: the run's rewards, whatever their prompts; None without any, or with random weights.
    """

    name: str
    row: str
    columns: dict[str, Measurement]
    unlike: dict[str, str]
    notes: tuple[str, ...]
    further_means: dict[str, float]
    rewards: RewardTable | None


def measure(table: PrintedTable, inputs: Sequence[str], cards: Cards = NO_CARDS) -> list[MeasuredRun]:
    """Read runs and find their rows.

    Args:
        inputs: run directories or files of rows, each as ``PATH`` or ``ROW=PATH``. Without a row, the run's name (a
            released checkpoint's, or a row's) and its reward targets tell.

    Raises:
        UserError: no such run, no such row, or a run that names no row.
    """
    rows, runs = [], []
    for text in inputs:
        row, separator, place = text.partition("=")
        row, path = (row.strip(), Path(place)) if separator and not Path(text).exists() else ("", Path(text))
        runs.append(read_run(path, cards))
        rows.append(table.row(row).name if row else _row_of(table, runs[-1], path))
    return [_measured(table, row, run) for row, run in zip(rows, told_apart(runs), strict=True)]


def _measured(table: PrintedTable, name: str, run: Run) -> MeasuredRun:
    columns: dict[str, Measurement] = {}
    further: dict[str, float] = {}
    unlike: dict[str, str] = {}
    for column, value in (*verdict_columns(run), *reward_columns(run)):
        if isinstance(value, str):
            unlike[column] = value
        elif column in table.decimals:
            columns[column] = value
        else:
            further[column] = value.value
    notes = (*_protocol_notes(run), *run.repeats, *(run.rewards.notes if run.rewards else ()))
    if run.manifest.random_weights:
        return MeasuredRun(run.name, name, {}, dict.fromkeys((*columns, *unlike), RANDOM_WEIGHTS), notes, {}, None)
    return MeasuredRun(run.name, name, columns, unlike, notes, further, run.rewards)


def _row_of(table: PrintedTable, run: Run, path: Path) -> str:
    prefix = "reward_targets."
    recorded = run.manifest.protocol.items()
    targets = {key.removeprefix(prefix): json.loads(value) for key, value in recorded if key.startswith(prefix)}
    for released in released_runs():
        if released.name == run.name and released.reward_targets == targets and table.key in released.rows:
            return released.rows[table.key]
    if any(row.name.lower() == run.name.lower() for row in table.rows):
        return table.row(run.name).name
    raise UserError(f"{path}: run {run.name!r} is no row of {table.key}; say which it stands for: ROW={path}")


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


def _protocol_notes(run: Run) -> Iterator[str]:
    protocol = run.manifest.protocol
    if not protocol:
        yield "no protocol is recorded, so it may not be the paper's"
    for field, paper in PAPER_SETTINGS.items():
        if protocol and protocol.get(field) not in (None, paper):
            yield f"{field} is {protocol[field]}, the paper's is {paper}"

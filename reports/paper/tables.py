"""A table of the paper with what was measured beside it: differences and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from reports.files import csv_text
from reports.leaderboard.markdown import escape
from reports.leaderboard.terminal import Column, Fitting, Grid, Paragraph
from reports.paper.measured import MeasuredRun, Measurement, measure, measure_folder
from reports.paper.printed import GENEVAL_COLUMNS, Footnote, PrintedRow, PrintedTable, printed_table
from wire.cards import NO_CARDS, Cards
from wire.grouping import grouped

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

#: Stages whose time is reported.
STAGES = ("generate", "geneval", "rewards")


class Verdict(Enum):
    """Whether a printed value was found again."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not comparable"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Cell:
    """One printed value."""

    row: str
    column: str
    #: printed, decimals: the value, and how many decimals the paper gives it.
    printed: float
    decimals: int
    run: str  #: which run was measured; empty where none
    measurement: Measurement | None  #: None where not measured
    #: ``agrees`` where the printed value, give or take its rounding, lies in the measured 95 % interval.
    verdict: Verdict
    reason: str = ""  #: why the value of a run that stands for the row is not compared; empty elsewhere

    @property
    def difference(self) -> float | None:
        """Measured minus printed; None where not measured."""
        return None if self.measurement is None else self.measurement.value - self.printed


@dataclass(frozen=True)
class ReproducedTable:
    """The whole table: every printed value has a cell, one for each run that stands for its row."""

    printed: PrintedTable
    runs: tuple[MeasuredRun, ...]
    cells: tuple[Cell, ...]


def reproduce_table(
    key: str, inputs: Sequence[str], cards: Cards = NO_CARDS, folder: Path | None = None
) -> ReproducedTable:
    """Compare runs with ``table1`` or ``table3``.
    ``inputs``: see :func:`reports.paper.measured.measure`.
    ``folder``: that ``paper reproduce`` filled: the runs in it as well.
    Raises UserError: an unknown table, run or row, or a folder without runs.
    """
    table = printed_table(key)
    runs = measure(table, inputs, cards) + (measure_folder(table, folder, cards) if folder else [])
    cells = tuple(cell for row in table.rows for cell in _row_cells(table, row, runs))
    return ReproducedTable(table, tuple(runs), cells)


def judge(printed: float, decimals: int, measurement: Measurement) -> Verdict:
    """``agrees`` where the interval, widened by half a unit of the last printed decimal, holds the printed value."""
    rounding = 0.5 * 10.0**-decimals
    holds = measurement.low - rounding <= printed <= measurement.high + rounding
    return Verdict.AGREES if holds else Verdict.DIFFERS


def _row_cells(table: PrintedTable, row: PrintedRow, runs: Sequence[MeasuredRun]) -> Iterator[Cell]:
    own = [run for run in runs if run.row == row.name]
    for column, decimals in table.decimals.items():
        found = [run for run in own if column in run.columns]
        about = (row.name, column, row.values[column], decimals)
        for run in found:
            value = run.columns[column]
            yield Cell(*about, run.name, value, judge(row.values[column], decimals, value))
        if not found:
            reason = next((run.unlike[column] for run in own if column in run.unlike), "")
            yield Cell(*about, "", None, Verdict.NOT_COMPARABLE if reason else Verdict.NOT_MEASURED, reason)


_READING = (
    "GenEval columns in per cent, rewards raw. *agrees*: the measured 95 % interval, widened by the rounding of the "
    "printed value, contains it. *not comparable*: the run was made or measured in another way than the row, which the "
    "reason states. The paper gives no intervals, so its own noise is not in the verdict."
)


def table_markdown(table: ReproducedTable) -> str:
    """The document, ending with a line end: what was measured, the table as printed, footnotes."""
    printed = table.printed
    blocks = [f"# Table {printed.key.removeprefix('table')}: {printed.title}", f"As printed in {printed.source}."]
    rows = {run.row for run in table.runs}
    if rows:
        lines = [line for row in printed.rows if row.name in rows for line in _measured_lines(table, row.name)]
        counts = {verdict: sum(cell.verdict is verdict for cell in table.cells) for verdict in Verdict}
        counted = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()) + "."
        blocks += ["## Measured beside printed", "\n".join([*_MEASURED_HEAD, *lines]), counted]
    if compute := [*_compute_lines(table)]:
        blocks += ["## Compute", "\n".join([*_COMPUTE_HEAD, *compute]), _COMPUTE]
    blocks += ["## As printed", "\n".join(_printed_lines(table)), _READING]
    notes = [f"- {escape(run.name)}: {escape(note)}" for run in table.runs for note in run.notes]
    blocks += ["\n".join(notes)] if notes else []
    numbered = [f"{number}. {note.text}" for number, note in enumerate(printed.footnotes, start=1)]
    return "\n\n".join([*blocks, "## Footnotes", "\n".join(numbered)]) + "\n"


_MEASURED_HEAD = (
    "| model | column | printed | measured | 95 % interval | difference | verdict | run |",
    "|:--|:--|--:|--:|:--|--:|:--|:--|",
)


_COMPUTE_HEAD = (
    "| model | TFLOPs, printed | TFLOP per image | hours: generate | geneval | rewards | run |",
    "|:--|--:|--:|--:|--:|--:|:--|",
)
_COMPUTE = (
    "TFLOP per image: both branches of the guidance and the VAE; a multiplication and an addition count as two; for a "
    "row of best images, all images made for one. Hours: wall time of the busiest worker, for the whole run."
)


def _compute_lines(table: ReproducedTable) -> Iterator[str]:
    """A line a run that records what it took."""
    for run in table.runs:
        if run.tflop is not None or run.hours:
            printed = table.printed.row(run.row).tflops
            numbers = ["" if value is None else f"{value:,.2f}" for value in (printed, run.tflop)]
            hours = [f"{run.hours[stage]:,.2f}" if stage in run.hours else "" for stage in STAGES]
            yield f"| {' | '.join([escape(run.row), *numbers, *hours, escape(run.name)])} |"


def _measured_lines(table: ReproducedTable, row: str) -> list[str]:
    """A line a cell; one for all of them where none is comparable, for one reason."""
    cells = [cell for cell in table.cells if cell.row == row]
    reasons = {cell.reason for cell in cells}
    if len(reasons) == 1 and cells[0].reason:
        verdict = f"{cells[0].verdict.value} ({escape(cells[0].reason)})"
        return [f"| {escape(row)} | all {len(cells)} |  |  |  |  | {verdict} |  |"]
    return [_measured_line(cell) for cell in cells]


def _measured_line(cell: Cell) -> str:
    verdict = cell.verdict.value + (f" ({escape(cell.reason)})" if cell.reason else "")
    printed = f"{cell.printed:.{cell.decimals}f}"
    cells = [escape(cell.row), cell.column, printed, *_measured_texts(cell), verdict, escape(cell.run)]
    return f"| {' | '.join(cells)} |"


def _measured_texts(cell: Cell) -> tuple[str, str, str]:
    """Value, interval and difference; empty where not measured."""
    found, places = cell.measurement, cell.decimals + (1 if cell.column in GENEVAL_COLUMNS else 2)
    if found is None or cell.difference is None:
        return "", "", ""
    interval = f"{found.low:.{places}f} to {found.high:.{places}f}"
    return f"{found.value:.{places}f}", interval, f"{cell.difference:+.{places}f}"


def _printed_lines(table: ReproducedTable) -> Iterator[str]:
    printed = table.printed
    marks = {column: _marks(printed.footnotes, column=column) for column in printed.decimals}
    yield f"| model | group | {' | '.join(f'{column}{marks[column]}' for column in printed.decimals)} | measured |"
    yield f"|:--|:--|{'--:|' * len(printed.decimals)}:--|"
    for row in printed.rows:
        values = [
            f"{row.values[column]:.{decimals}f}{_marks(printed.footnotes, row.name, column)}"
            for column, decimals in printed.decimals.items()
        ]
        runs = ", ".join(escape(run.name) for run in table.runs if run.row == row.name)
        yield f"| {escape(row.name)} | {escape(row.group)} | {' | '.join(values)} | {runs or 'not measured'} |"


def _marks(notes: Sequence[Footnote], row: str = "", column: str = "") -> str:
    """Footnotes of a cell (with a row) or of a whole column (without), e.g. `` [1, 2]``."""
    numbers = [
        str(number)
        for number, note in enumerate(notes, start=1)
        if column in note.columns and (row in note.rows if row else not note.rows)
    ]
    return f" [{', '.join(numbers)}]" if numbers else ""


def table_csv(table: ReproducedTable) -> str:
    """One line a cell, full precision; empty where not measured."""
    header = ("model", "column", "printed", "decimals")
    measured = ("measured", "low", "high", "difference", "verdict", "run", "reason")
    return csv_text(((*header, *measured), *map(_csv_line, table.cells)))


def _csv_line(cell: Cell) -> tuple[object, ...]:
    found = cell.measurement
    numbers = (found.value, found.low, found.high, cell.difference) if found else (None,) * 4
    return (cell.row, cell.column, cell.printed, cell.decimals, *numbers, cell.verdict.value, cell.run, cell.reason)


def paper_table(table: ReproducedTable) -> Group:
    """A table of the paper with its footnotes; and, where there are runs, what they give beside what is printed."""
    from rich.console import Group

    printed = table.printed
    columns = [
        (
            f"{column}{_marks(printed.footnotes, column=column)}",
            [f"{row.values[column]:.{places}f}{_marks(printed.footnotes, row.name, column)}" for row in printed.rows],
        )
        for column, places in printed.decimals.items()
    ]
    groups = [row.group for row in printed.rows]
    title = f"{printed.source}: {printed.title}"
    grid = Grid(title, "model", [row.name for row in printed.rows], columns, _ends(groups))
    notes = [f"[{number}] {note.text}" for number, note in enumerate(printed.footnotes, start=1)]
    texts = ("GenEval in per cent, rewards raw.", *notes)
    return Group(Fitting([grid]), *map(Paragraph, texts), *_measured_grids(table))


def _ends(groups: Sequence[str]) -> frozenset[int]:
    """The last place of each group but the last group's."""
    return frozenset(place for place in range(len(groups) - 1) if groups[place] != groups[place + 1])


def _measured_grids(table: ReproducedTable) -> Iterator[RenderableType]:
    """Measured values beside printed ones; then what was not measured, and what is to be said of the runs."""
    measured = grouped(((cell.row, cell.run), cell) for cell in table.cells if cell.measurement is not None)
    if measured:
        yield ""
        yield Fitting([_measured_grid(f"{row}, measured on {run}", cells) for (row, run), cells in measured.items()])
        yield Paragraph("A printed value agrees if the measured 95 % interval, widened by its rounding, contains it.")
    lacking = grouped(((cell.row, cell.reason), cell.column) for cell in table.cells if cell.reason)
    for (row, reason), names in lacking.items():
        what = "all columns" if len(names) == len(table.printed.decimals) else ", ".join(names)
        yield Paragraph(f"{row}: {reason}; not compared: {what}")
    yield from (Paragraph(f"{run.name}: {note}") for run in table.runs for note in run.notes)


def _measured_grid(title: str, cells: Sequence[Cell]) -> Grid:
    facts = [(f"{one.printed:.{one.decimals}f}", *_measured_texts(one), one.verdict.value) for one in cells]
    heads = ("printed", "measured", "95 % interval", "difference", "verdict")
    columns: list[Column] = [(head, [fact[place] for fact in facts]) for place, head in enumerate(heads)]
    return Grid(title, "column", [one.column for one in cells], columns)

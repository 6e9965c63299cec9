"""The leaderboard, and the paper's tables, for a terminal: as wide as that is, with no word broken."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.read.manifest import display_name
from reports.summary.notes import RANDOM_WEIGHTS
from wire.cards import LOWER
from wire.vocabulary import GENEVAL2_LABELS, GENEVAL2_SCORES, TAGS

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    from reports.paper.tables import Cell, ReproducedTable

#: Cells that a column of names has at least, where names are cut into lines.
_NAMES = 20
Column = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Grid:
    """Texts in rows and columns.

    Attributes:
        corner: head of the column of ``names``.
        columns: head and cells of each.
        breaks: rows that a line is drawn after.
    """

    title: str
    corner: str
    names: Sequence[str]
    columns: Sequence[Column]
    breaks: frozenset[int] = frozenset()

    def turned(self, corner: str = "") -> Grid:
        """Rows for columns."""
        heads, cells = zip(*self.columns, strict=True)
        return Grid(self.title, corner, heads, [(name, texts) for name, *texts in zip(self.names, *cells, strict=True)])

    def table(self, whole: bool = True) -> Table:
        """As a table; without ``whole`` names are cut into lines."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(self.title) if self.title else None
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.add_column(Text(_plain(self.corner)), overflow="fold", no_wrap=whole)
        for head, _ in self.columns:
            table.add_column(Text(_plain(head)), justify="right", overflow="fold", no_wrap=whole)
        for row, name in enumerate(self.names):
            texts = (name, *(cells[row] for _, cells in self.columns))
            table.add_row(*(Text(_plain(text)) for text in texts), end_section=row in self.breaks)
        return table

    def parts(self, room: int) -> Iterator[Grid]:
        """The columns in groups as wide as ``room``; a column that is wider stands alone. The first has the title."""
        names, group, used = min(_NAMES, max(map(len, self.names), default=0)), list[Column](), 0
        whole = self
        for head, cells in self.columns:
            width = max(map(len, (head, *cells))) + 2
            if group and names + used + width + 1 > room:
                yield replace(whole, columns=group)
                whole, group, used = replace(self, title=""), [], 0
            group.append((head, cells))
            used += width
        yield replace(whole, columns=group)


@dataclass(frozen=True)
class Paragraph:
    """A text of several words, wrapped between them; a path that is longer than a line stays whole."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """What the library prints."""
        from textwrap import wrap

        from rich.text import Text

        lines = wrap(self.text, options.max_width, break_long_words=False, break_on_hyphens=False)
        yield from (Text(line, no_wrap=True, overflow="ignore") for line in lines)


@dataclass(frozen=True)
class Fitting:
    """Grids, printed as they are where all fit; else turned, where that fits and makes sense; else in parts."""

    grids: Sequence[Grid]
    turn: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What the library prints."""
        from rich.measure import Measurement

        def fit(tables: Sequence[Table]) -> bool:
            free = options.update(max_width=10_000)
            return all(Measurement.get(console, free, table).maximum <= options.max_width for table in tables)

        whole = [grid.table() for grid in self.grids]
        turned = [grid.turned().table() for grid in self.grids] if self.turn else []
        parts = (part.table(whole=False) for grid in self.grids for part in grid.parts(options.max_width))
        for table in whole if fit(whole) else turned if turned and fit(turned) else parts:
            yield from (table, "")


#: Judged scores: title -> what they show.
_SCORES = {
    "GenEval": ("overall", *TAGS),
    "GenEval 2 (Soft-TIFA, 0 to 100)": GENEVAL2_SCORES[:7],
    "GenEval 2 by atoms (0 to 100)": GENEVAL2_SCORES[7:],
}
_HEADLINES = ("overall", GENEVAL2_SCORES[0])


def terminal_tables(board: dict[str, Any]) -> Group:
    """Judged scores and, where there are any, mean rewards, then the notes; of what ``leaderboard.json`` holds.

    A row a run, or a row a metric where the terminal is too narrow for that. Names are shown literally: rich's markup
    in them has no effect.
    """
    from rich.console import Group
    from rich.text import Text

    runs = [run for section in board["sections"] for run in section["runs"]]
    heads = {
        metric: f"{metric} {LOWER}" if facts["direction"] == "lower is better" else metric
        for metric, facts in board["metrics"].items()
        if any(run["rewards"][metric] for run in runs)
    }
    grids = []
    judged = [run for section in board["sections"] if section["group"] != "no geneval" for run in section["runs"]]
    for title, names in _SCORES.items():
        if own := [run for run in judged if names[0] in run["scores"]]:
            grids.append(_grid(own, title, "scores", {name: GENEVAL2_LABELS.get(name, name) for name in names}))
    if heads:
        grids.append(_grid(runs, "Rewards (raw means)", "rewards", heads))
    random = any(run["random_weights"] for run in runs)
    above = [Text(f"{RANDOM_WEIGHTS.capitalize()}.", style="bold red")] if random else []
    notes = (Paragraph(_plain(note)) for note in _notes(board["notes"], runs))
    return Group(*above, Fitting(grids, turn=True), *notes)


def _plain(text: str) -> str:
    """On one line; in a log of GitHub, where a line that begins with two colons is a command, as no command."""
    shown = display_name(text)
    if os.environ.get("GITHUB_ACTIONS"):
        shown = shown.replace("::", ": :").replace("##[", "## [")
    return shown


def _grid(runs: Sequence[dict[str, Any]], title: str, kind: str, heads: Mapping[str, str]) -> Grid:
    """``heads``: of the columns, by what they show; a headline score has its interval beside it."""
    columns = list[Column]()
    for column, head in heads.items():
        found, digits = [run[kind][column] for run in runs], 2 if column in GENEVAL2_SCORES else 4
        columns.append((head, [f"{one['value']:.{digits}f}" if one else "" for one in found]))
        if column in _HEADLINES:
            columns.append(("95 % interval", [_interval(one, digits) for one in found]))
    return Grid(title, "model", [run["model"] for run in runs], columns)


def _interval(found: dict[str, Any] | None, digits: int) -> str:
    bounded = found and found["low"] is not None
    return f"{found['low']:.{digits}f} to {found['high']:.{digits}f}" if found and bounded else ""


def _notes(on_all: Sequence[str], runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each note once, with the runs that it is about, where it is not about all."""
    yield from on_all
    about: dict[str, list[str]] = {}
    for run in runs:
        notes = run["notes"].removeprefix(RANDOM_WEIGHTS).removeprefix("; ")
        coverage = "" if run["coverage"] in notes else run["coverage"]
        scored = f"scored images: {run['scored']}" if run["scored"] else ""
        for note in filter(None, (coverage, scored, notes)):
            about.setdefault(note, []).append(run["model"])
    for note, models in about.items():
        named = "" if len(models) == len(runs) else f"{', '.join(models)}: "
        yield f"{named}{note}"


def paper_table(table: ReproducedTable) -> Group:
    """A table of the paper with its footnotes; and, where there are runs, what they give beside what is printed."""
    from rich.console import Group

    printed = table.printed
    columns = [
        (
            f"{column}{_marks(table, column=column)}",
            [f"{row.values[column]:.{places}f}{_marks(table, row.name, column)}" for row in printed.rows],
        )
        for column, places in printed.decimals.items()
    ]
    groups = [row.group for row in printed.rows]
    title = f"{printed.source}: {printed.title}"
    grid = Grid(title, "model", [row.name for row in printed.rows], columns, _ends(groups))
    notes = [f"[{number}] {note.text}" for number, note in enumerate(printed.footnotes, start=1)]
    texts = ("GenEval in per cent, rewards raw.", *notes)
    return Group(Fitting([grid]), *map(Paragraph, texts), *_measured(table))


def _ends(groups: Sequence[str]) -> frozenset[int]:
    """The last place of each group but the last group's."""
    return frozenset(place for place in range(len(groups) - 1) if groups[place] != groups[place + 1])


def _measured(table: ReproducedTable) -> Iterator[RenderableType]:
    """Measured values beside printed ones; then what was not measured, and what is to be said of the runs."""
    cells = [cell for cell in table.cells if cell.measurement is not None]
    if cells:
        facts = [_cell_texts(cell) for cell in cells]
        heads = ("column", "printed", "measured", "95 % interval", "difference", "verdict", "run")
        columns: list[Column] = [(head, [fact[place] for fact in facts]) for place, head in enumerate(heads)]
        names = [cell.row for cell in cells]
        yield ""
        yield Fitting([Grid("Measured beside printed", "model", names, columns, _ends(names))])
        yield Paragraph("A value agrees where the measured 95 % interval holds it, rounding allowed for.")
    lacking: dict[tuple[str, str], list[str]] = {}
    for cell in (cell for cell in table.cells if cell.reason):
        lacking.setdefault((cell.row, cell.reason), []).append(cell.column)
    for (row, reason), names in lacking.items():
        what = "all columns" if len(names) == len(table.printed.decimals) else ", ".join(names)
        yield Paragraph(_plain(f"{row}: {reason}; not compared: {what}"))
    yield from (Paragraph(_plain(f"{run.name}: {note}")) for run in table.runs for note in run.notes)


def _cell_texts(cell: Cell) -> tuple[str, ...]:
    places = cell.decimals + (1 if cell.column in ("overall", *TAGS) else 2)
    found, texts = cell.measurement, ("", "", "")
    if found is not None and cell.difference is not None:
        interval = f"{found.low:.{places}f} to {found.high:.{places}f}"
        texts = (f"{found.value:.{places}f}", interval, f"{cell.difference:+.{places}f}")
    return (cell.column, f"{cell.printed:.{cell.decimals}f}", *texts, cell.verdict.value, cell.run)


def _marks(table: ReproducedTable, row: str = "", column: str = "") -> str:
    """Numbers of the footnotes of a cell (with a row) or of a whole column (without), e.g. `` [1, 2]``."""
    notes = enumerate(table.printed.footnotes, start=1)
    found = [str(n) for n, one in notes if column in one.columns and (row in one.rows if row else not one.rows)]
    return f" [{', '.join(found)}]" if found else ""

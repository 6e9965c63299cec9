"""Tables for a terminal, as wide as that is, with no word broken; and the leaderboard as such tables."""

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

#: Cells that a column of names has at least, where names are cut into lines.
_NAMES = 20
Column = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Grid:
    """Texts in rows and columns."""

    title: str
    corner: str  #: head of the column of ``names``
    names: Sequence[str]
    columns: Sequence[Column]  #: head and cells of each
    breaks: frozenset[int] = frozenset()  #: rows that a line is drawn after

    def turned(self) -> Grid:
        """Rows for columns."""
        heads, cells = zip(*self.columns, strict=True)
        return Grid(self.title, "", heads, [(name, texts) for name, *texts in zip(self.names, *cells, strict=True)])

    def table(self, whole: bool = True) -> Table:
        """As a table; without ``whole`` names are cut into lines."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(self.title, no_wrap=True, overflow="ignore") if self.title else None
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.add_column(Text(_plain(self.corner)), overflow="fold", no_wrap=whole)
        for head, _ in self.columns:
            table.add_column(Text(_plain(head)), justify="right", overflow="fold", no_wrap=whole)
        for row, name in enumerate(self.names):
            texts = (name, *(cells[row] for _, cells in self.columns))
            table.add_row(*(Text(_plain(text)) for text in texts), end_section=row in self.breaks)
        return table

    def parts(self, room: int) -> Iterator[Grid]:
        """The columns in groups as wide as ``room``; a wider column is alone. The first has the title."""
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

        lines = wrap(_plain(self.text), options.max_width, break_long_words=False, break_on_hyphens=False)
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
    above = [Text(f"{RANDOM_WEIGHTS.capitalize()}.\n", style="bold red")] if random else []
    notes = (Paragraph(note) for note in _notes(board["notes"], runs))
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

"""The leaderboard for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reports.leaderboard.markdown import fixed, interval_text
from reports.summary.notes import RANDOM_WEIGHTS
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from reports.leaderboard.table import Leaderboard


def terminal_tables(board: Leaderboard) -> Group:
    """GenEval scores and, where there are any, mean rewards, then the notes.

    Two tables, since one would be too wide; at 80 columns headers fold, numbers stay whole. Names are shown
    literally: rich's markup in them has no effect.
    """
    from rich.console import Group
    from rich.text import Text

    found = [metric for metric in board.metrics if board.frame[metric].notna().any()]
    parts: list[Table | Text] = []
    if board.frame["random_weights"].any():
        parts.append(Text(f"{RANDOM_WEIGHTS.capitalize()}.", style="bold red"))
    if (board.frame["group"] != "no geneval").any():
        parts.append(_table(board, "GenEval", ("overall", *TAGS), with_interval=True))
    if found:
        parts.append(_table(board, "Rewards (raw means)", found, with_interval=False))
    return Group(*parts, *(Text(note) for note in _notes(board)))


def _table(board: Leaderboard, title: str, columns: Sequence[str], with_interval: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    for column, label in zip(columns, board.labels(columns), strict=True):
        table.add_column(label, justify="right", overflow="fold", min_width=len("0.0000"))
        if with_interval and column == "overall":
            table.add_column("95 % interval", min_width=len("0.0000 to"))
    for row in board.frame.to_dict("records"):
        cells = [fixed(row[column]) for column in columns]
        if with_interval:
            cells.insert(1, interval_text(row, "overall"))
        table.add_row(Text(row["model"]), *cells)
    return table


def _notes(board: Leaderboard) -> Iterator[str]:
    yield from board.notes
    for name, coverage, notes in zip(*(board.frame[column] for column in ("model", "coverage", "notes")), strict=True):
        yield f"{name}: {coverage}{f'; {notes}' if notes else ''}"

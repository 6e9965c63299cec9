"""The leaderboard for a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.read.manifest import display_name
from reports.summary.notes import RANDOM_WEIGHTS
from wire.cards import LOWER
from wire.vocabulary import GENEVAL2_LABELS, GENEVAL2_SCORES, TAGS

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


#: Tables of judged scores, narrow enough for 80 columns: title -> what they show.
_SCORES = {
    "GenEval": ("overall", *TAGS),
    "GenEval 2 (Soft-TIFA, 0 to 100)": GENEVAL2_SCORES[:7],
    "GenEval 2 by atoms (0 to 100)": GENEVAL2_SCORES[7:],
}
_HEADLINES = ("overall", GENEVAL2_SCORES[0])


def terminal_tables(board: dict[str, Any]) -> Group:
    """Judged scores and, where there are any, mean rewards, then the notes; of what ``leaderboard.json`` holds.

    Several tables, since one would be too wide; at 80 columns headers fold, numbers stay whole. Names are shown
    literally: rich's markup in them has no effect.
    """
    from rich.console import Group
    from rich.text import Text

    runs = [run for section in board["sections"] for run in section["runs"]]
    heads = {
        metric: f"{metric} {LOWER}" if facts["direction"] == "lower is better" else metric
        for metric, facts in board["metrics"].items()
        if any(run["rewards"][metric] for run in runs)
    }
    parts: list[Table | Text] = []
    if any(run["random_weights"] for run in runs):
        parts.append(Text(f"{RANDOM_WEIGHTS.capitalize()}.", style="bold red"))
    judged = [run for section in board["sections"] if section["group"] != "no geneval" for run in section["runs"]]
    for title, names in _SCORES.items():
        if own := [run for run in judged if names[0] in run["scores"]]:
            parts.append(_table(own, title, "scores", {name: GENEVAL2_LABELS.get(name, name) for name in names}))
    if heads:
        parts.append(_table(runs, "Rewards (raw means)", "rewards", heads))
    return Group(*parts, *(Text(_plain(note)) for note in _notes(board["notes"], runs)))


def _plain(text: str) -> str:
    """On one line; in a log of GitHub, where a line that begins with two colons is a command, as no command."""
    shown = display_name(text)
    if os.environ.get("GITHUB_ACTIONS"):
        shown = shown.replace("::", ": :").replace("##[", "## [")
    return shown


def _table(runs: Sequence[dict[str, Any]], title: str, kind: str, heads: Mapping[str, str]) -> Table:
    """``heads``: of the columns, by what they show; a headline score has its interval beside it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    for column, head in heads.items():
        table.add_column(Text(_plain(head)), justify="right", overflow="fold", min_width=len("0.0000"))
        if column in _HEADLINES:
            table.add_column("95 % interval", min_width=len("0.0000 to"))
    for run in runs:
        cells = [Text(_plain(run["model"]))]
        for column in heads:
            found = run[kind][column]
            digits = 2 if column in GENEVAL2_SCORES else 4
            cells.append(Text(f"{found['value']:.{digits}f}" if found else ""))
            if column in _HEADLINES:
                bounded = found and found["low"] is not None
                cells.append(Text(f"{found['low']:.{digits}f} to {found['high']:.{digits}f}" if bounded else ""))
        table.add_row(*cells)
    return table


def _notes(on_all: Sequence[str], runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from on_all
    for run in runs:
        notes = f"; {run['notes']}" if run["notes"] else ""
        scored = f"; scored images: {run['scored']}" if run["scored"] else ""
        yield f"{run['model']}: {run['coverage']}{scored}{notes}"

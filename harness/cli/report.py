"""``miro-eval report``: finished runs to a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="run directories, or files of GenEval or reward rows")],
    out: Annotated[Path, typer.Option(help="folder for the leaderboard, in five formats")] = Path("report"),
) -> None:
    """Write a leaderboard of finished runs; a bare results.jsonl of GenEval's own format will do."""
    from harness.cli.session import session, show_report

    with session() as display:
        show_report(runs, out, display)

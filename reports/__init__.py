"""Reports: from the finished rows of runs to numbers one can cite.

Importing this package is cheap: pandas and numpy are imported when something is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from rich.console import Group

    from reports.leaderboard import Leaderboard

__all__ = ["ReportFiles", "report", "terminal_tables", "write_summaries"]


@dataclass(frozen=True, eq=False)
class ReportFiles:
    """A written report.

    Attributes:
        markdown: ``leaderboard.md``.
        csv: ``leaderboard.csv``.
        leaderboard: what both were made from; for :func:`terminal_tables`.
    """

    markdown: Path
    csv: Path
    leaderboard: Leaderboard


def report(inputs: Sequence[Path], out_dir: Path) -> ReportFiles:
    """Rank runs and write ``leaderboard.md`` and ``leaderboard.csv`` into ``out_dir``.

    Args:
        inputs: run directories and bare files of GenEval or reward rows; one named twice counts once.
        out_dir: made if need be.

    Raises:
        UserError: an input is missing, empty or malformed; nothing is written then.
    """
    from reports.leaderboard import make_leaderboard, write_tables
    from reports.run_summary import summarise_run
    from reports.runs import read_run

    if not inputs:
        raise UserError("no runs to report; name run directories or result files")
    once = {path.resolve(): path for path in reversed(inputs)}
    board = make_leaderboard([summarise_run(read_run(path)) for path in reversed(once.values())])
    files = write_tables(board, out_dir)
    return ReportFiles(files.markdown, files.csv, board)


def terminal_tables(files: ReportFiles) -> Group:
    """The leaderboard as tables to print on a rich console."""
    from reports import terminal

    return terminal.terminal_tables(files.leaderboard)


def write_summaries(run_dir: Path) -> list[Path]:
    """Write ``geneval_summary.json`` and ``rewards_summary.json`` into a run directory, as far as it has the rows.

    Returns:
        The files written.

    Raises:
        UserError: the directory has no rows, or malformed ones.
    """
    from reports import run_summary

    return run_summary.write_summaries(run_dir)

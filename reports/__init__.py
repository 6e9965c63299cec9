"""Reports: from the finished rows of runs to numbers one can cite.

Importing this package is cheap: pandas and numpy are imported when something is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wire.cards import NO_CARDS, Cards
from wire.errors import UserError

if TYPE_CHECKING:
    from rich.console import Group

    from reports.leaderboard.collect import Collected
    from reports.leaderboard.table import Leaderboard

__all__ = ["ReportFiles", "report", "terminal_tables", "write_summaries"]


@dataclass(frozen=True, eq=False)
class ReportFiles:
    """A written report.

    Attributes:
        markdown, csv, latex, html, json: ``leaderboard.md``, ``.csv``, ``.tex``, ``.html``, ``.json``.
        scores, parquet: ``scores.csv`` and ``scores.parquet``: one row an image over all stages, in the leaderboard's
            order.
        prompts: ``prompts.csv``: one row a prompt.
        leaderboard: what they were made from; for :func:`terminal_tables`.
    """

    markdown: Path
    csv: Path
    latex: Path
    html: Path
    json: Path
    scores: Path
    parquet: Path
    prompts: Path
    leaderboard: Leaderboard


def report(inputs: Sequence[Path], out_dir: Path, across: Sequence[str] = (), cards: Cards = NO_CARDS) -> ReportFiles:
    """Rank runs and write the leaderboard in five formats, all scores by image and by prompt, and ``model-index.yaml``.

    Args:
        inputs: run directories, files of GenEval or reward rows, and so on: see :func:`reports.read.find.find_runs`.
        out_dir: made if need be.
        across: fields of the protocol over which runs are ranked together although they differ in them.
        cards: of metrics that are known anyway, for runs that bear none.

    Raises:
        UserError: an input is missing, empty or malformed; nothing is written then.
    """
    from tempfile import TemporaryDirectory

    from reports.files import write_text
    from reports.leaderboard.collect import collect
    from reports.leaderboard.files import write_tables
    from reports.leaderboard.model_index import model_index
    from reports.leaderboard.table import distinct_names, make_leaderboard
    from reports.read.find import find_runs

    if not inputs:
        raise UserError("no runs to report; name run directories or result files")
    sources = distinct_names(find_runs(inputs, cards))
    with TemporaryDirectory(prefix="miro-eval-") as parts, ThreadPoolExecutor(1) as beside:
        runs = collect(sources, Path(parts))
        board = make_leaderboard([run.summary for run in runs], across)
        place = {name: number for number, name in enumerate(board.frame["model"])}
        rows = beside.submit(_write_rows, sorted(runs, key=lambda run: place[run.summary.name]), out_dir)
        files = write_tables(board, out_dir)
        write_text(out_dir / "model-index.yaml", model_index(board))
        scores, parquet, prompts = rows.result()
    return ReportFiles(**vars(files), scores=scores, parquet=parquet, prompts=prompts, leaderboard=board)


def _write_rows(runs: list[Collected], out_dir: Path) -> tuple[Path, Path, Path]:
    """All scores by image, twice, and by prompt: copying and compression, which leave the interpreter to others."""
    from reports.leaderboard.merge import LAST, LEADING, PROMPT_COLUMNS
    from reports.leaderboard.parquet import write_parquet
    from reports.leaderboard.row_tables import join_parts, joined_columns

    images = [run.images for run in runs]
    scores = join_parts(images, out_dir / "scores.csv", LEADING, LAST)
    parquet = write_parquet(images, joined_columns(images, LEADING, LAST), out_dir / "scores.parquet")
    return scores, parquet, join_parts([run.prompts for run in runs], out_dir / "prompts.csv", PROMPT_COLUMNS)


def terminal_tables(files: ReportFiles) -> Group:
    """The leaderboard as tables to print on a rich console."""
    from reports.leaderboard import terminal

    return terminal.terminal_tables(files.leaderboard)


def write_summaries(run_dir: Path) -> list[Path]:
    """Write ``geneval_summary.json`` and ``rewards_summary.json`` into a run directory, as far as it has the rows.

    Returns:
        The files written.

    Raises:
        UserError: the directory has no rows, or malformed ones.
    """
    from reports.summary import run_summary

    return run_summary.write_summaries(run_dir)

"""Reports: from the finished rows of runs to numbers that you can cite.

Importing this package is cheap: pandas and numpy are imported when something is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wire.cards import NO_CARDS, Cards, records
from wire.errors import UserError

if TYPE_CHECKING:
    from rich.console import Group

    from reports.leaderboard.collect import Collected
    from reports.leaderboard.table import Leaderboard
    from reports.read.find import Found
    from reports.read.selection import Selection

__all__ = ["ReportFiles", "report", "terminal_tables", "write_summaries"]


@dataclass(frozen=True, eq=False)
class ReportFiles:
    """A written report."""

    leaderboard: Leaderboard | None  #: what they were made from; None where they were there already
    markdown: Path
    csv: Path
    latex: Path
    html: Path
    json: Path
    #: scores, parquet: one row per image over all stages, in the leaderboard's order.
    scores: Path
    parquet: Path
    prompts: Path  #: one row a prompt
    index: Path

    @classmethod
    def within(cls, folder: Path, leaderboard: Leaderboard | None) -> ReportFiles:
        """The files of a report in that folder."""
        names = [f"leaderboard.{suffix}" for suffix in ("md", "csv", "tex", "html", "json")]
        names += ["scores.csv", "scores.parquet", "prompts.csv", "model-index.yaml"]
        return cls(leaderboard, *(folder / name for name in names))


def report(
    inputs: Sequence[Path],
    out_dir: Path,
    across: Sequence[str] = (),
    cards: Cards = NO_CARDS,
    *,
    names: Sequence[str] = (),
    selections: Sequence[Selection] = (),
    known: Mapping[Path, str] | None = None,
    anew: bool = False,
) -> ReportFiles:
    """Rank runs and write the leaderboard in five formats, all scores by image and by prompt, and ``model-index.yaml``.

    A report that is up to date is not written again.
    ``inputs``: run directories, files of GenEval or reward rows, and so on: see :func:`reports.read.find.find_runs`.
    ``across``: fields of the protocol in which runs may differ and still be ranked together.
    ``names``: of the runs, in their order; empty: their own.
    ``selections``: each adds a row per run for its best images only.
    ``known``: sha256 of runs' files by absolute path, as far as the caller has read them.
    ``anew``: write it even if it is up to date.
    Raises UserError: an input is missing, empty or malformed, names are not as many as runs, or no run can be selected
    from; nothing is written then.
    """
    from reports.made import RECORD, Made, origin
    from reports.read.find import find_places

    if not inputs:
        raise UserError("no runs to report; name run directories or result files")
    found = find_places(inputs)
    options = {"across": list(across), "cards": records(cards), "passed_over": list(found.notes), "names": list(names)}
    options |= {"selections": [one.name for one in selections]} if selections else {}
    options["searched"] = {str(path.resolve()): name for path, name in found.searched.items()}
    made = Made(out_dir, out_dir / RECORD, origin(found.places, known or {}, **options))
    if not anew and made.stands():
        return ReportFiles.within(out_dir, None)
    files = _make(found, out_dir, across, cards, names, selections)
    made.note([path for path in vars(files).values() if isinstance(path, Path)])
    return files


def _make(
    found: Found,
    out_dir: Path,
    across: Sequence[str],
    cards: Cards,
    names: Sequence[str],
    selections: Sequence[Selection],
) -> ReportFiles:
    from tempfile import TemporaryDirectory

    from reports.leaderboard.collect import collect
    from reports.leaderboard.files import write_tables
    from reports.leaderboard.table import make_leaderboard
    from reports.read.find import look_up
    from reports.read.names import told_apart
    from reports.read.selection import selected_sources

    sources, notes = look_up(found, cards)
    named = told_apart(sources, names)
    called = [one.name for one in named] + [f"{one.name}, {best.name}" for one in named for best in selections]
    if twice := next((name for name in called if called.count(name) > 1), ""):
        raise UserError(f"two rows would be called {twice!r}: give the runs other names with --name")
    with TemporaryDirectory(prefix="miro-eval-") as parts, ThreadPoolExecutor(1) as beside:
        runs, faults = collect([*named, *selected_sources(named, selections)], Path(parts))
        if selections and not any(run.source.selection for run in runs):
            raise UserError("; ".join(faults))
        board = make_leaderboard([run.summary for run in runs], across, (*notes, *faults))
        board = replace(board, sources={run.summary.name: run.source for run in runs})
        place = {name: number for number, name in enumerate(board.frame["model"])}
        rows = beside.submit(_write_rows, sorted(runs, key=lambda run: place[run.summary.name]), out_dir)
        files = write_tables(board, out_dir)
        rows.result()
    return files


def _write_rows(runs: list[Collected], out_dir: Path) -> None:
    """All scores by image, twice, and by prompt: copying and compression, which leave the interpreter to others."""
    from reports.leaderboard.merge import LAST, LEADING, PROMPT_COLUMNS
    from reports.leaderboard.row_tables import join_parts, joined_columns, write_parquet

    images = [run.images for run in runs if run.images]
    join_parts(images, out_dir / "scores.csv", LEADING, LAST)
    write_parquet(images, joined_columns(images, LEADING, LAST), out_dir / "scores.parquet")
    join_parts([run.prompts for run in runs if run.prompts], out_dir / "prompts.csv", PROMPT_COLUMNS)


def terminal_tables(files: ReportFiles) -> Group:
    """The leaderboard as tables to print on a rich console."""
    from reports.leaderboard import terminal

    return terminal.terminal_tables(json.loads(files.json.read_text(encoding="utf-8")))


def write_summaries(run_dir: Path, record: Path | None = None, known: Mapping[Path, str] | None = None) -> list[Path]:
    """Write ``geneval_summary.json`` and ``rewards_summary.json`` into a run directory, as far as it has the rows.
    ``record``: a file that tells what they were made from; with it they are left as they are where they stand.
    ``known``: see :func:`report`.
    Returns the files written.
    Raises UserError: the directory has no rows, or malformed ones.
    """
    from reports.made import Made, origin

    made = Made(run_dir, record, origin([run_dir], known or {})) if record else None
    if made and made.stands():
        return []
    from reports.summary import run_summary

    written = run_summary.write_summaries(run_dir)
    if made:
        made.note(written)
    return written

"""``miro-eval report``: finished runs to a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.display import Display
from harness.terminal.echo import echo

Export = Annotated[
    list[str] | None, typer.Option(help="also send the runs to wandb, mlflow, tensorboard or trackio; repeatable")
]
Out = Annotated[Path, typer.Option(help="folder for the leaderboard, in five formats, and for all scores")]
_FIELD = "rank runs together that differ in this field of their protocol, e.g. guidance_scale; repeatable"
Across = Annotated[list[str] | None, typer.Option(help=_FIELD)]


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="run directories, folders of them, or files of GenEval or reward rows")
    ],
    out: Out = Path("report"),
    across: Across = None,
    export: Export = None,
    site: Annotated[
        Path | None, typer.Option(help="also write a static site here: the leaderboard and a gallery per run")
    ] = None,
    name: options.Names = None,
    best_of: options.BestOf = None,
    by: options.By = None,
) -> None:
    """Write a leaderboard of finished runs, or of a results.jsonl that GenEval's own code wrote.

    --best-of 8 --by pick_score adds a row for each run's best images; --by is repeatable.
    """
    from harness.cli.session import show_report
    from reports.exports.trackers import check_trackers
    from reports.exports.trackers import export as hand_over
    from reports.read.selection import selections

    chosen = selections(best_of, by or [])
    check_trackers(export or [])
    with Display() as display:
        files = show_report(
            runs, out, display, across or [], anew=bool(export or site), names=name or [], selections=chosen
        )
    if files.leaderboard is not None:
        if site is not None:
            from reports.exports.site import write_site
            from rewards.scorers import CARDS

            echo(f"site: {write_site(files.leaderboard, site, CARDS)}")
        for tracker in export or []:
            echo(f"exported: {hand_over(files.leaderboard, tracker, out)}")

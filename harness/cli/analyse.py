"""``miro-eval analyse``: what else the rows of finished runs say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo


def analyse(
    runs: Annotated[list[Path], typer.Argument(help="run directories, or files of GenEval or reward rows")],
    out: Annotated[Path, typer.Option(help="folder for analysis.md, analysis.csv and radars")] = Path("report"),
    judges: Annotated[bool, typer.Option("--judges", help="also compare GenEval, Soft-TIFA and VQAScore")] = False,
    labels: Annotated[
        Path | None, typer.Option(help="people's answers about the images, as CSV, for --judges; see docs/judges.md")
    ] = None,
    formats: options.Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Compute pass@k, best of N, rewards against verdicts, histograms and accuracy by class, and draw radars.

    With --judges, also how well judges agree with each other and with people. If runs have a diversity metric
    (`rewards --metric diversity_dinov2`), also diversity against every score.
    """
    from reports.analysis import write_analysis
    from rewards.scorers import CARDS

    held = judges or labels is not None
    files = write_analysis(runs, out, CARDS, formats, judges=held, labels=labels)
    for note in files.notes:
        echo(note, err=True)
    echo(f"analysis: {files.markdown}")
    for judged in files.judges[:1]:
        echo(f"judges side by side: {judged}")
    if files.tradeoffs:
        echo(f"diversity against scores: {files.tradeoffs[0]}")

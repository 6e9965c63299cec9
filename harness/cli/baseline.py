"""``miro-eval baseline``: a run kept as one small file, to be committed and compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo

app = typer.Typer(help="Keep a run as one small file to compare later runs with.", no_args_is_help=True)


@app.callback()
def baseline() -> None:
    """Keep a run as one small file to compare later runs with."""


@app.command()
def save(
    run: Annotated[Path, typer.Argument(help="run directory, or a file of GenEval or reward rows")],
    file: Annotated[Path, typer.Argument(help="file to write, ending in .json", metavar="BASELINE.JSON")],
) -> None:
    """Save a run's results per prompt in one file, which `compare` and `check` accept as a run."""
    from reports.gate.baseline import baseline_notes, save_baseline
    from reports.read.runs import read_run
    from rewards.scorers import CARDS
    from wire.errors import UserError

    if file.suffix != ".json":
        raise UserError(f"{file}: a baseline's name must end in .json")
    found = read_run(run, CARDS)
    path = save_baseline(found, file)
    for note in baseline_notes(found):
        echo(note, err=True)
    echo(f"written: {path} ({path.stat().st_size / 1024:.0f} KB)")

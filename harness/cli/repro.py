"""``miro-eval run repro``: how to make a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo


def repro(run: Annotated[Path, typer.Argument(help="run directory")]) -> None:
    """Print a shell script: the commands that made a run, with the locks, weights and hashes they used."""
    from harness.plan.reproduction import reproduction

    echo(reproduction(run), end="")

"""``miro-eval run verify``: are a run's files still what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.terminal.echo import echo


def verify(run: Annotated[Path, typer.Argument(help="run directory")]) -> None:
    """Recompute the hashes of a finished run's rows and images; exit 2 if one is missing or has changed."""
    from harness.plan.verification import verify as verify_run
    from wire.errors import UserError

    checked, problems = verify_run(run)
    for problem in problems:
        echo(problem)
    if problems:
        raise UserError(f"{len(problems)} of {checked} files in {run} have changed or are missing")
    echo(f"{checked} files are unchanged")

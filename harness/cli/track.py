"""``miro-eval track``: scores over the checkpoints of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo


def track(
    runs: Annotated[
        list[Path], typer.Argument(help="runs of the checkpoints of one or more training runs, or DIR/*.ckpt")
    ],
    out: Annotated[Path, typer.Option(help="folder for track.md, track.csv and track.png")] = Path("track"),
    formats: options.Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Plot scores against the training step, with intervals; for two training runs, with speed-up factors.

    The step is read from run.json, or from a name like 'step=250000'; otherwise the order of the arguments counts.
    """
    from reports.analysis.track import write_track
    from rewards.scorers import CARDS

    files = write_track(runs, out, CARDS, formats)
    for note in files.notes:
        echo(note, err=True)
    echo(f"curves: {files.markdown} and {files.image}")

"""``miro-eval publish``: rows and scores to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo
from wire.errors import UserError


def publish(
    runs: Annotated[list[Path], typer.Argument(help="run directories, folders of them, or files of rows")],
    to: Annotated[str, typer.Option(help="dataset on the hub, created if missing", metavar="OWNER/NAME")],
    thumbnails: Annotated[bool, typer.Option("--thumbnails", help="a small copy of each image, too")] = False,
    model: Annotated[
        str, typer.Option(help="the model's repository: scores go there as a pull request; needs --benchmark")
    ] = "",
    benchmark: Annotated[str, typer.Option(help="registered benchmark dataset that --model's scores are of")] = "",
    out: Annotated[Path, typer.Option(help="folder that all of it is written into first")] = Path("publish"),
    public: Annotated[bool, typer.Option("--public", help="make a new dataset public [default: private]")] = False,
    sending: Annotated[bool, typer.Option("--send", help="send it; without this, only say what would be sent")] = False,
    name: options.Names = None,
) -> None:
    """Write a dataset for the hub (rows, scores, card) and say what would be sent; with --send, send it."""
    from tempfile import TemporaryDirectory

    from reports import report
    from reports.exports.hub import dataset_upload, model_upload, send
    from rewards.scorers import CARDS

    if bool(model) != bool(benchmark):
        raise UserError("--model and --benchmark go together: the hub lists scores of registered benchmarks alone")
    with TemporaryDirectory(prefix="miro-eval-") as scratch:
        board = report(runs, Path(scratch), cards=CARDS, names=name or [], anew=True).leaderboard
        if board is None:
            raise AssertionError("a report made anew has its leaderboard")
        uploads = [dataset_upload(board, Path(scratch), out, to, thumbnails)]
        if model:
            uploads.append(model_upload(board, out, model, benchmark, to))
    for upload in uploads:
        for line in upload.lines:
            echo(line)
        if sending:
            echo(f"sent: {send(upload, private=not public)}")
    if not sending:
        echo("nothing was sent; look at the files, then add --send")

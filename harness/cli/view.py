"""``miro-eval view``: a gallery of one run, or of two side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo


def view(
    run: Annotated[Path, typer.Argument(help="run directory, or a file of GenEval or reward rows")],
    other: Annotated[Path | None, typer.Argument(help="a second run: verdicts that flip come first")] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for the gallery [default: RUN/report/gallery, beside a file: gallery]")
    ] = None,
    copy: options.Copy = False,
    full_size: options.FullSize = False,
) -> None:
    """Make a gallery that opens from disk: images with boxes, verdicts, reasons and rewards, to filter and sort."""
    from reports.gallery import write_gallery
    from rewards.scorers import CARDS

    where = out or (run / "report" / "gallery" if run.is_dir() else run.parent / "gallery")
    files = write_gallery(run, other, where, options.copied(copy, full_size), CARDS)
    flips = f", {files.flips:,} verdicts flip" if other else ""
    missing = f"; files not there: {files.without_picture:,}" if files.without_picture else ""
    echo(f"gallery: {files.index} ({files.images:,} {'pairs' if other else 'images'}{flips}{missing})")

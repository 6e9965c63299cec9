"""``miro-eval view``: a gallery of one run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo
from wire.errors import UserError


def view(
    runs: Annotated[
        list[Path],
        typer.Argument(help="run directories, or files of rows; of several, changed verdicts come first"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="folder for the gallery [default: RUN/report/gallery of the first, beside a file: gallery]"),
    ] = None,
    copy: options.Copy = False,
    full_size: options.FullSize = False,
    grid: Annotated[
        bool, typer.Option("--grid", help="in rows: prompts down; runs, training steps or targets across; and grid.png")
    ] = False,
    prompt: Annotated[
        list[str], typer.Option(help="for grid.png: a prompt, or part of one; repeatable [default: the first six]")
    ] = [],  # noqa: B006 - typer copies it
    sample: Annotated[int, typer.Option(min=0, help="for grid.png: which image of each prompt")] = 0,
    formats: options.Format = [],  # noqa: B006 - typer copies it
) -> None:
    """Make a gallery that opens from disk: images with boxes, verdicts, reasons and rewards, to filter and sort."""
    from reports.gallery import SheetSettings, write_gallery
    from rewards.scorers import CARDS

    if (prompt or sample or formats) and not grid:
        raise UserError("--prompt, --sample and --format apply to grid.png: add --grid")
    first = runs[0]
    where = out or (first / "report" / "gallery" if first.is_dir() else first.parent / "gallery")
    sheet = SheetSettings(prompt, sample, formats) if grid else None
    files = write_gallery(runs, where, options.copied(copy, full_size), CARDS, sheet=sheet)
    flips = f", {files.flips:,} verdicts flip" if len(runs) > 1 and files.judged else ""
    missing = f"; missing files: {files.without_picture:,}" if files.without_picture else ""
    kind = {1: "images", 2: "pairs"}.get(len(runs), "rows")
    echo(f"gallery: {files.index} ({files.images:,} {kind}{flips}{missing})")
    for path in files.sheet:
        echo(f"sheet: {path}")

"""``miro-eval compare``: two runs side by side, without a judgement."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.terminal.echo import echo, show


class Format(str, Enum):
    """Formats that the comparison is printed in."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"


def compare(
    first: Annotated[Path, typer.Argument(help="run directory, file of rows, or saved baseline")],
    second: Annotated[Path, typer.Argument(help="the same; differences are this one minus the first")],
    out: Annotated[
        Path | None, typer.Option(help="also write comparison.md and comparison.json into this folder")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="what to print")] = Format.TERMINAL,
    allow_unlike: Annotated[
        bool, typer.Option(help="compare runs made with different settings, and say which")
    ] = False,
    name: options.Names = None,
    best_of: options.BestOf = None,
    by: options.By = None,
) -> None:
    """Compare two runs on the prompts and samples that they share: differences, intervals, p values."""
    from reports.gate.compare import (
        compare_paths,
        json_text,
        markdown_comparison,
        terminal_comparison,
        write_comparison,
    )
    from reports.read.selection import one_selection
    from rewards.scorers import CARDS

    chosen = one_selection(best_of, by or [])
    comparison = compare_paths(
        first, second, allow_unlike=allow_unlike, cards=CARDS, names=name or [], selection=chosen
    )
    if out is not None:
        for path in write_comparison(comparison, out):
            echo(f"written: {path}", err=True)
    if format_ is Format.TERMINAL:
        show(terminal_comparison(comparison))
    else:
        as_text = json_text if format_ is Format.JSON else markdown_comparison
        echo(as_text(comparison), end="")

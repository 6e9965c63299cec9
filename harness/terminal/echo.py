"""What a verb says. It may come from a file, and is made fit for a terminal here, in one place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.terminal.plain import plain

if TYPE_CHECKING:
    from rich.console import RenderableType


def echo(message: object, *, err: bool = False, end: str = "\n") -> None:
    """Print to standard output, or to standard error, with control characters shown as escapes."""
    stream = sys.stderr if err else sys.stdout
    stream.write(plain(str(message)) + end)
    stream.flush()


def show(tables: RenderableType) -> None:
    """Print tables and paragraphs, with colors on a terminal, their texts as :func:`echo` does."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console()
    # Once they are laid out and cut to the terminal's width: what is folded or wrapped may begin a line.
    lines = Segment.split_and_crop_lines(console.render(tables), console.width, pad=False)
    parts = [part if part.control else Segment(plain(part.text), part.style) for line in lines for part in line]
    console.print(Segments(parts), end="", crop=False)


def say_as_is(text: str) -> None:
    """Print a line of our own making that steers what reads it, such as a picture in colors."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

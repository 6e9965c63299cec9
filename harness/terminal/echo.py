"""What a verb says. It may come from a file, and is made fit for a terminal here, in one place."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

#: Control characters but newline and tab, marks that turn or hide text, and halves of characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: What GitHub's runner takes for a command: two colons where a line begins, or where a table or a wrapped line puts
#: them there; its older form wherever it stands.
_COMMAND = re.compile(r":(?=:)|#(?=#\[)")


def in_actions() -> bool:
    """Whether this runs in GitHub Actions, where lines of the log may be commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def plain(text: str) -> str:
    """The text with every unfit character shown as its escape, e.g. ``\\x1b``; in GitHub Actions it is no command.

    A prompt must not move the cursor, set a title or hide what follows.
    """
    fit = _UNFIT.sub(_escape, text)
    return _COMMAND.sub(_escape, fit) if in_actions() else fit


def _escape(found: re.Match[str]) -> str:
    """As JSON has it, so that JSON stays what it is; of what JSON escapes itself, in Python's shorter form."""
    number = ord(found[0])
    return ascii(found[0])[1:-1] if number < 0x20 else f"\\u{number:04x}"


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

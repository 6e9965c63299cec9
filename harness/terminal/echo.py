"""What a verb says. It may come from a file, and is made fit for a terminal here, in one place."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import accumulate
from textwrap import TextWrapper
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
    # Once they are laid out: what is folded or wrapped may begin a line. A path that is longer than one stays whole.
    lines = Segment.split_lines(console.render(tables))
    parts = [
        part if part.control else Segment(plain(part.text), part.style)
        for line in lines
        for part in (*line, Segment.line())
    ]
    console.print(Segments(parts), end="", crop=False)


def show_list(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under heads. On a terminal too narrow, the last columns stand on a line of their own below the others:
    nothing is cut or broken. In a file or a pipe a row is always one line.
    """
    table = [heads, *rows]
    widths = [max(map(len, column)) + 2 for column in zip(*table, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sum(widths)
    beside = max(1, sum(end - 2 <= room for end in accumulate(widths)))
    for row in table:
        echo("".join(cell.ljust(width) for cell, width in zip(row[:beside], widths, strict=False)).rstrip())
        if below := "  ".join(filter(None, row[beside:])):
            show_text(f"    {below}")


def show_text(text: str) -> None:
    """Print lines; on a terminal those that are too long are wrapped between words, further in than they begin."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in text.splitlines():
        begin = line[: len(line) - len(line.lstrip())]
        wrapper = TextWrapper(room or 1, begin, f"{begin}  ", break_long_words=False, break_on_hyphens=False)
        echo(wrapper.fill(line.strip()) if 0 < room < len(line) else line)


def say_as_is(text: str) -> None:
    """Print a line of our own making that steers what reads it, such as a picture in colors."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

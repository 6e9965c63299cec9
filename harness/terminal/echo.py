"""What a verb says. It may come from a file, and is made fit for a terminal here, in one place."""

from __future__ import annotations

import sys

from harness.terminal.plain import plain


def echo(message: object, *, err: bool = False, end: str = "\n") -> None:
    """Print to standard output, or to standard error, with control characters shown as escapes."""
    stream = sys.stderr if err else sys.stdout
    stream.write(plain(str(message)) + end)
    stream.flush()


def say_as_is(text: str) -> None:
    """Print a line of our own making that steers the terminal, such as a picture in colors."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

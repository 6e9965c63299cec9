"""What a verb says. It may come from a file, and is made fit for a terminal here, in one place."""

from __future__ import annotations

import re
import sys

#: Control characters but newline and tab, marks that turn or hide text, and halves of characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with every unfit character shown as its escape, e.g. ``\\x1b``.

    A prompt must not move the cursor, set a title or hide what follows.
    """
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)


def echo(message: object, *, err: bool = False, end: str = "\n") -> None:
    """Print to standard output, or to standard error, with control characters shown as escapes."""
    stream = sys.stderr if err else sys.stdout
    stream.write(plain(str(message)) + end)
    stream.flush()


def say_as_is(text: str) -> None:
    """Print a line of our own making that steers the terminal, such as a picture in colors."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

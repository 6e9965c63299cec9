"""Text from files, made fit for a terminal: a prompt must not move the cursor, set a title or hide what follows."""

from __future__ import annotations

import re

#: Control characters but newline and tab, marks that turn or hide text, and halves of characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with every unfit character shown as its escape, e.g. ``\\x1b``."""
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)

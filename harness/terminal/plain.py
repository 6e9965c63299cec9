"""Text from files, made fit for a terminal: a prompt must not move the cursor, set a title or hide what follows."""

from __future__ import annotations

import os
import re

#: Control characters but newline and tab, marks that turn or hide text, and halves of characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: What GitHub's runner takes for a command: two colons where a line begins, or where a table or a wrapped line puts
#: them there; its older form wherever it stands.
_COMMAND = re.compile(r":(?=:)|#(?=#\[)")


def in_actions() -> bool:
    """Whether this runs in GitHub Actions, where lines of the log may be commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def plain(text: str) -> str:
    """The text with every unfit character shown as its escape, e.g. ``\\x1b``; in GitHub Actions it is no command."""
    fit = _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0]):02x}", fit) if in_actions() else fit

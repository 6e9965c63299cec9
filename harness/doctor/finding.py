"""What a check saw."""

from __future__ import annotations

from dataclasses import dataclass

#: A finding's status, best first: all is well, a run may still work, a run cannot work.
OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """What a check saw, and what to do about it; ``hint`` is empty when all is well."""

    subject: str
    status: str
    text: str
    hint: str = ""

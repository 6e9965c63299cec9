"""What a check saw."""

from __future__ import annotations

from dataclasses import dataclass

#: A finding's status, best first.
OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes:
        status: ``ok``, ``warning`` (a run may still work) or ``failure`` (it cannot).
        hint: what to do; empty when all is well.
    """

    subject: str
    status: str
    text: str
    hint: str = ""

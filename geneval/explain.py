"""A result row in words: what was asked, what was found, what color it has, and why the verdict is what it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import Any

from geneval.judge import Box
from wire.vocabulary import COLORS

Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One detection of a row.

    Attributes:
        colors: (color, probability) of the likeliest colors, best first; empty where no color was asked for.
        asked: the prompt speaks of this class.
        mask: its pixels as :func:`geneval.outlines.encode` gives them; None in rows that hold none.
    """

    name: str
    box: Box
    colors: tuple[tuple[str, float], ...]
    asked: bool
    mask: dict[str, Any] | None

    @property
    def label(self) -> str:
        """``dog 0.93 red 0.81``."""
        color = " {} {:.2f}".format(*self.colors[0]) if self.colors else ""
        return f"{self.name} {self.box.score:.2f}{color}"


def findings(row: Row, colors: int = 3) -> list[Finding]:
    """The detections of a row, those of the prompt's classes first; at most ``colors`` color answers each."""
    metadata, details = json.loads(row["metadata"]), json.loads(row["details"])
    clauses = [metadata[key] for key in ("include", "exclude") if isinstance(metadata.get(key), list)]
    asked = [clause.get("class") for clause in chain(*clauses) if isinstance(clause, dict)]
    found = [
        Finding(name, Box(*box), _likeliest(row, name, place, colors), name in asked, _mask(row, name, place))
        for name, boxes in details.items()
        for place, box in enumerate(boxes)
    ]
    return sorted(found, key=lambda finding: not finding.asked)


def _mask(row: Row, name: str, place: int) -> dict[str, Any] | None:
    masks = row.get("masks", {}).get(name, [])
    return masks[place] if place < len(masks) else None


def _likeliest(row: Row, name: str, place: int, count: int) -> tuple[tuple[str, float], ...]:
    answers = row.get("colors", {}).get(name, [])
    if place >= len(answers):
        return ()
    return tuple(sorted(zip(COLORS, answers[place], strict=True), key=lambda pair: -pair[1])[:count])


def verdict_line(row: Row) -> str:
    """``correct``, ``wrong: <reason>`` or ``unscored: <error>``; the reason's lines are joined by semicolons."""
    if row.get("status", "scored") != "scored":
        return f"unscored: {row.get('error', '')}"
    return "correct" if row["correct"] else "wrong: " + row["reason"].replace("\n", "; ")


def explain(row: Row) -> str:
    """A row as text: prompt, verdict, and what was found."""
    lines = [
        f"{row['filename']}  ({row['tag']})",
        f"prompt    {row['prompt']}",
        f"verdict   {verdict_line(row)}",
    ]
    if row.get("color_source") == "verdict":
        lines.append("colors    taken from the row's verdict: the tool that made it stored no color answers")
    for finding in findings(row):
        x0, y0, x1, y1, score = finding.box
        colors = ", ".join(f"{name} {share:.2f}" for name, share in finding.colors)
        mark = "*" if finding.asked else " "
        place = f"x {x0:.0f}-{x1:.0f}, y {y0:.0f}-{y1:.0f}"
        lines.append(f"{mark} {finding.name:<16} {score:.3f}  {place}{'  ' + colors if colors else ''}")
    lines.append("* asked about by the prompt" if row["details"] != "{}" else "no object was found")
    return "\n".join(lines)

"""Color answers: from probabilities, or from what the row of another tool implies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wire.vocabulary import COLORS


def color_names(probabilities: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, list[str]]:
    """The likeliest color of each object; the earlier of ``COLORS`` among equals."""
    return {name: [COLORS[row.index(max(row))] for row in rows] for name, rows in probabilities.items()}


def told_colors(metadata: Mapping[str, Any], correct: bool, reason: str) -> dict[str, list[str]]:
    """The color answers that a verdict implies: those its reason lists, else the wanted ones.

    A reason lists how many objects have which color, not which object has it: where two clauses on one class imply
    different answers, or a wrong verdict gives no reason, the class is left out.
    """
    if not correct and not reason.strip():
        return {}
    told: dict[str, list[str]] = {}
    disputed: set[str] = set()
    for clause in metadata["include"]:
        if "color" in clause:
            answers = _answers(clause, reason)
            if sorted(told.setdefault(clause["class"], answers)) != sorted(answers):
                disputed.add(clause["class"])
    return {name: answers for name, answers in told.items() if name not in disputed}


def _answers(clause: Mapping[str, Any], reason: str) -> list[str]:
    name, count, color = re.escape(clause["class"]), clause["count"], clause["color"]
    line = re.search(rf"^expected {color} {name}>={count}, found \d+ {color}; and (.+)$", reason, re.MULTILINE)
    if line is None:
        return [color] * count
    tally = [part.partition(" ") for part in line[1].split(", ")]
    return [found for number, _, found in tally for _ in range(int(number))]

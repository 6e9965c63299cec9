"""The numbers that summaries are made of: exact proportions and counted reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

#: Reasons listed in a summary, most frequent first; further ones are counted together.
REASONS_LISTED = 10


@dataclass(frozen=True)
class Proportion:
    """``correct`` of ``total``, exactly; a fraction where verdicts are expectations over selections."""

    correct: int | Fraction
    total: int

    @property
    def fraction(self) -> Fraction:
        """The exact value; ``total`` must not be 0."""
        return Fraction(self.correct, self.total)

    @property
    def value(self) -> float | None:
        """From 0 to 1, correctly rounded; None where nothing was scored."""
        return float(self.fraction) if self.total else None


def mean_of_proportions(proportions: Iterable[Proportion]) -> float | None:
    """Unweighted mean, computed exactly and rounded once; None where one of them rests on nothing."""
    parts = list(proportions)
    if not parts or not all(part.total for part in parts):
        return None
    return float(sum((part.fraction for part in parts), Fraction(0)) / len(parts))


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason occurs, most frequent first, then by text."""
    ordered = sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    listed, rest = ordered[:REASONS_LISTED], ordered[REASONS_LISTED:]
    return dict(listed) | ({"(other reasons)": sum(count for _, count in rest)} if rest else {})


def plain(value: Any) -> Any:
    """A summary as JSON's types: dataclasses become objects with their fields, proportions also carry their value."""
    if isinstance(value, Proportion):
        correct = value.correct if isinstance(value.correct, int) else float(value.correct)
        return {"value": value.value, "correct": correct, "total": value.total}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(content) for key, content in value.items()}
    return value.value if isinstance(value, Enum) else value

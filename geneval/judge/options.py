"""The judge's thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from wire.protocol import UserError


@dataclass(frozen=True)
class JudgeOptions:
    """Thresholds of GenEval's verdict; the defaults are those of the reference implementation (djghosh13/geneval).

    Attributes:
        confidence_threshold: a detection counts when its score is above this, in [0, 1].
        counting_threshold: the same for prompts tagged ``counting``, in [0, 1].
        max_objects: at most so many detections of a class are kept, best first; >= 1.
        max_overlap: a detection is dropped when its IoU with a better one of its class reaches this; 1 keeps all.
        position_threshold: the offset between two centers shrinks by this fraction of the boxes' summed sizes before
            a relation is named; >= 0.
    """

    confidence_threshold: float = 0.3
    counting_threshold: float = 0.9
    max_objects: int = 16
    max_overlap: float = 1.0
    position_threshold: float = 0.1

    def threshold(self, tag: str) -> float:
        """Score that a detection must exceed for a prompt of this tag."""
        return self.counting_threshold if tag == "counting" else self.confidence_threshold

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> JudgeOptions:
        """Options from a job's parameters; what is absent keeps its default.

        Raises:
            UserError: an unknown name, or a value of the wrong kind or out of range.
        """
        known = [field.name for field in fields(cls)]
        for name, value in values.items():
            if name not in known:
                raise UserError(f"unknown judge option {name!r}: choose from {', '.join(known)}")
            _check(name, value)
        return cls(**values)


def _check(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int if name == "max_objects" else (int, float)):
        kind = "a whole number" if name == "max_objects" else "a number"
        raise UserError(f"judge option {name} must be {kind}, not {value!r}")
    low, high = {"max_objects": (1, float("inf")), "position_threshold": (0, float("inf"))}.get(name, (0, 1))
    if not low <= value <= high:
        raise UserError(f"judge option {name} must lie in [{low}, {high}], not {value}")

"""The judge's thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from wire.settings import check, option, read

_threshold = partial(option, panel="Judging", open=True)


@dataclass(frozen=True)
class JudgeOptions:
    """Thresholds of GenEval's verdict; the defaults are those of the reference implementation (djghosh13/geneval).

    A score must be above a threshold, in [0, 1]. ``position_threshold`` is the fraction of the boxes' summed sizes by
    which the offset between two centers shrinks before a relation is named.
    """

    confidence_threshold: float = _threshold(0.3, "a detection counts above this score", low=0, high=1)
    counting_threshold: float = _threshold(0.9, "the same for counting prompts", low=0, high=1)
    max_objects: int = _threshold(16, "detections kept of a class, best first", low=1)
    max_overlap: float = _threshold(
        1.0, "IoU with a better detection of its class that drops one", unset="1, off", low=0, high=1
    )
    position_threshold: float = _threshold(0.1, "share of two boxes' sizes that their offset must exceed", low=0)

    def threshold(self, tag: str) -> float:
        """Score that a detection must exceed for a prompt of this tag."""
        return self.counting_threshold if tag == "counting" else self.confidence_threshold

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> JudgeOptions:
        """Options from a job's parameters; what is absent keeps its default.

        Raises:
            UserError: an unknown name, or a value of the wrong kind or out of range.
        """
        options = read(cls, values, "judge option")
        check(options)
        return options

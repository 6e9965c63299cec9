from __future__ import annotations

from collections.abc import Mapping, Sequence

from geneval.judge import Box, JudgeOptions, select_each


def select_objects(boxes: Mapping[str, Sequence[Box]], tag: str, options: JudgeOptions) -> dict[str, list[Box]]:
    """The boxes that count, best first, for each class that has any."""
    kept = select_each(boxes, tag, options)
    return {name: [boxes[name][index] for index in indices] for name, indices in kept.items()}

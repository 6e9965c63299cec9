"""Which detections count: score threshold, number of objects, overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geneval.judge.boxes import Box, overlap, single
from geneval.judge.options import JudgeOptions


def select(boxes: Sequence[Box], threshold: float, options: JudgeOptions) -> list[int]:
    """Indices of the detections of one class that count, best first.

    Among equal scores the later detection comes first, on every machine. The reference implementation leaves their
    order to numpy's default sort, which is not stable: up to 16 detections it does the same on a processor without
    AVX-512, and anything else elsewhere. A score equal to the threshold does not pass it.
    """
    floor = single(threshold)
    ranked = sorted((i for i, box in enumerate(boxes) if box.score > floor), key=lambda i: (boxes[i].score, i))
    kept: list[int] = []
    for index in ranked[::-1][: options.max_objects]:
        if options.max_overlap == 1 or all(overlap(boxes[k], boxes[index]) < options.max_overlap for k in kept):
            kept.append(index)
    return kept


def select_objects(boxes: Mapping[str, Sequence[Box]], tag: str, options: JudgeOptions) -> dict[str, list[Box]]:
    """The boxes that count, best first, for each class that has any; the classes' order is kept."""
    threshold = options.threshold(tag)
    kept = {name: [found[i] for i in select(found, threshold, options)] for name, found in boxes.items()}
    return {name: found for name, found in kept.items() if found}

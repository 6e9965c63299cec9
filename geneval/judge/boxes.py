"""Boxes: the judge's thresholds, which boxes count, and what can be said of two of them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from wire.settings import check, option, read

_threshold = partial(option, panel="Judging", open=True)


@dataclass(frozen=True)
class JudgeOptions:
    """Thresholds of GenEval's verdict; the defaults are those of the reference implementation (djghosh13/geneval).

    A score must be above a threshold, in [0, 1]. ``position_threshold`` is the fraction of the boxes' summed sizes by
    which the offset between two centers shrinks before a relation is named.
    """

    confidence_threshold: float = _threshold(0.3, "detections above this score count", low=0, high=1)
    counting_threshold: float = _threshold(0.9, "the same for counting prompts", low=0, high=1)
    max_objects: int = _threshold(16, "maximum number of detections kept per class, best first", low=1)
    max_overlap: float = _threshold(
        1.0, "drop a detection if its IoU with a better one of its class reaches this", unset="1, off", low=0, high=1
    )
    position_threshold: float = _threshold(0.1, "minimum offset of two boxes, as a share of their sizes", low=0)

    def threshold(self, tag: str) -> float:
        """Score that a detection must exceed for a prompt of this tag."""
        return self.counting_threshold if tag == "counting" else self.confidence_threshold

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> JudgeOptions:
        """Options from a job's parameters; what is absent keeps its default.
        Raises UserError: an unknown name, or a value of the wrong kind or out of range.
        """
        options = read(cls, values, "judge option")
        check(options)
        return options


class Box(NamedTuple):
    """A detection: corners in pixels of the original image, x to the right and y down, and its score in [0, 1]."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


def json_value(value: Any) -> Any:
    """JSON that a row holds as text, as GenEval does, or as it is, as other tools do. Raises ValueError: no JSON."""
    return json.loads(value) if isinstance(value, str) else value


def boxes_from_details(details: str | dict[str, Any]) -> dict[str, list[Box]]:
    """Boxes of a result row's ``details``, in the order in which a detector would have given them.

    Rows list a class's boxes best first, with equal scores in reverse of the detector's order; :func:`select` expects
    the detector's order.
    Raises ValueError, TypeError, AttributeError: not such a text or object.
    """
    found = {name: [Box(*box) for box in reversed(boxes)] for name, boxes in json_value(details).items()}
    sides = (side for boxes in found.values() for box in boxes for side in box)
    if odd := [side for side in sides if not isinstance(side, int | float)]:
        raise TypeError(f"a box holds {odd[0]!r}, which is no number")
    return found


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


def select_each(boxes: Mapping[str, Sequence[Box]], tag: str, options: JudgeOptions) -> dict[str, list[int]]:
    """What :func:`select` picks of each class, for a prompt of this tag; classes of which nothing counts are left out.

    The classes' order is kept.
    """
    threshold = options.threshold(tag)
    kept = {name: select(found, threshold, options) for name, found in boxes.items()}
    return {name: indices for name, indices in kept.items() if indices}


def single(value: float) -> float:
    """``value`` rounded to single precision; infinite where it is too large for that, as in numpy."""
    try:
        return float(struct.unpack("f", struct.pack("f", float(value)))[0])
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes whose corners are both inside (a box from 3 to 5 is 3 pixels wide)."""
    shared = Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1), 0)
    intersection = _area(shared)
    union = _area(a) + _area(b) - intersection
    return single(intersection / union) if union else 0.0


def _area(box: Box) -> float:
    return single(max(box.x1 - box.x0 + 1, 0) * max(box.y1 - box.y0 + 1, 0))


#: Below this, in pixels, an offset between centers (shrunk by the boxes' sizes) names no relation.
NO_OFFSET = 1e-3
#: A relation holds when its component of the direction, of length 1, exceeds this: the four sectors then overlap.
DIRECTION = 0.5


def relations(a: Box, b: Box, position_threshold: float) -> tuple[str, ...]:
    """Where ``a`` lies as seen from ``b``: none, one or two of left of, right of, above, below; horizontal first.

    The offset between the centers shrinks on each axis by ``position_threshold`` times the boxes' summed sizes, to 0
    at most, and is then divided by the length of the offset as it was.
    """
    offset, shrunk = [], []
    for low, high in ((0, 2), (1, 3)):
        distance = single(single(a[low] + a[high]) / 2 - single(b[low] + b[high]) / 2)
        sizes = single(abs(a[high] - a[low])) + single(abs(b[high] - b[low]))
        margin = single(single(position_threshold) * single(sizes))
        offset.append(distance)
        shrunk.append(math.copysign(max(single(abs(distance) - margin), 0.0), distance))
    if all(abs(component) < NO_OFFSET for component in shrunk):
        return ()
    length = single(math.sqrt(single(offset[0] * offset[0] + offset[1] * offset[1])))
    dx, dy = (single(component / length) for component in shrunk)
    holds = {"left of": dx < -DIRECTION, "right of": dx > DIRECTION, "above": dy < -DIRECTION, "below": dy > DIRECTION}
    return tuple(name for name, true in holds.items() if true)

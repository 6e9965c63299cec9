"""Result rows: the reference implementation's seven keys, then ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geneval.judge import Box, Verdict
from wire.protocol import Item

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What was found in an image.

    Attributes:
        objects: for each class the detections that counted, best first.
        masks: of each of them the pixels, as :func:`geneval.outlines.encode` gives them.
        colors: for each class whose color was asked for, the ten probabilities of its first objects, in their order.
    """

    objects: Mapping[str, Sequence[Box]]
    masks: Mapping[str, Sequence[dict[str, Any]]]
    colors: Mapping[str, Sequence[Sequence[float]]]


def scored_row(item: Item, sha256: str, detector: str, seen: Seen, verdict: Verdict) -> Row:
    """The row of a judged image.

    Args:
        item: the image.
        sha256: hash of its file.
        detector: name of the detector.
        seen: detections and color answers.
        verdict: the judge's decision.
    """
    ours = _ours(sha256, detector, seen, "scored", "")
    return _common(item, verdict.correct, verdict.reason, json.dumps(seen.objects)) | _place(item) | ours


def unscored_row(item: Item, sha256: str | None, detector: str, error: str) -> Row:
    """The row of an image that could not be judged, and why; it counts neither as right nor as wrong."""
    ours = _ours(sha256, detector, Seen({}, {}, {}), "unscored", error)
    return _common(item, None, "", "{}") | _place(item) | ours


def _ours(sha256: str | None, detector: str, seen: Seen, status: str, error: str) -> Row:
    found = {"colors": seen.colors, "masks": seen.masks}
    return {"image_sha256": sha256, "detector": detector, **found, "status": status, "error": error}


def _common(item: Item, correct: bool | None, reason: str, details: str) -> Row:
    return {
        "filename": item.filename,
        "tag": tag if isinstance(tag := item.metadata.get("tag"), str) else "",
        "prompt": item.prompt,
        "correct": correct,
        "reason": reason,
        "metadata": json.dumps(item.metadata),
        "details": details,
    }


def _place(item: Item) -> Row:
    return {"prompt_index": item.prompt_index, "sample_index": item.sample_index}

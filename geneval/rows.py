"""Result rows: the reference implementation's seven keys, then ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from geneval.judge import Box, Verdict
from harness.protocol import Item

Row = dict[str, Any]


def scored_row(
    item: Item,
    sha256: str,
    detector: str,
    objects: Mapping[str, Sequence[Box]],
    colors: Mapping[str, Sequence[Sequence[float]]],
    verdict: Verdict,
) -> Row:
    """The row of a judged image.

    Args:
        item: the image.
        sha256: hash of its file.
        detector: name of the detector.
        objects: for each class the detections that counted, best first.
        colors: for each class whose color was asked for, the ten probabilities of its first objects, in their order.
        verdict: the judge's decision.
    """
    ours = {"image_sha256": sha256, "detector": detector, "colors": colors, "status": "scored", "error": ""}
    return _common(item, verdict.correct, verdict.reason, json.dumps(objects)) | _place(item) | ours


def unscored_row(item: Item, sha256: str | None, detector: str, error: str) -> Row:
    """The row of an image that could not be judged, and why; it counts neither as right nor as wrong."""
    ours: Row = {"image_sha256": sha256, "detector": detector, "colors": {}, "status": "unscored", "error": error}
    return _common(item, None, "", "{}") | _place(item) | ours


def _common(item: Item, correct: bool | None, reason: str, details: str) -> Row:
    return {
        "filename": item.filename,
        "tag": item.metadata["tag"],
        "prompt": item.prompt,
        "correct": correct,
        "reason": reason,
        "metadata": json.dumps(item.metadata),
        "details": details,
    }


def _place(item: Item) -> Row:
    return {"prompt_index": item.prompt_index, "sample_index": item.sample_index}

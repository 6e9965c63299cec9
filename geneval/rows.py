"""Result rows: the reference implementation's seven keys, then ours; and whether a sweep's rows can be true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from geneval.judge import Box, Verdict
from wire.protocol import EnvironmentFailure, Item

Row = dict[str, Any]
#: For each class of an image the probabilities of the ten colors, a list an object.
Answers = Mapping[str, Sequence[Sequence[float]]]
#: Fewer images than this may well show nothing, or look alike.
ENOUGH = 50
_ADVICE = (
    "check with `miro-eval geneval --self-test`; the rows are kept, and if the images are like that, the same command "
    "again accepts them"
)


def unscored_row(item: Item, sha256: str | None, detector: str, error: str) -> Row:
    """The row of an image that could not be judged, and why; it counts neither as right nor as wrong."""
    tag = item.metadata.get("tag")
    return {
        "filename": item.filename,
        "tag": tag if isinstance(tag, str) else "",
        "prompt": item.prompt,
        "correct": None,
        "reason": "",
        "metadata": json.dumps(item.metadata),
        "details": "{}",
        "prompt_index": item.prompt_index,
        "sample_index": item.sample_index,
        "image_sha256": sha256,
        "detector": detector,
        "colors": {},
        "masks": {},
        "status": "unscored",
        "error": error,
    }


def scored_row(
    item: Item,
    sha256: str,
    detector: str,
    verdict: Verdict,
    *,
    objects: Mapping[str, Sequence[Box]],
    masks: Mapping[str, Sequence[Row]],
    colors: Answers,
) -> Row:
    """The row of a judged image.

    ``objects`` are for each class the detections that counted, best first; ``masks`` the pixels of each of them, as
    :func:`geneval.images.encode` gives them; ``colors`` the answers for the first objects of each class whose color
    was asked for, in their order.
    """
    return unscored_row(item, sha256, detector, "") | {
        "correct": verdict.correct,
        "reason": verdict.reason,
        "details": json.dumps(objects),
        "colors": colors,
        "masks": masks,
        "status": "scored",
    }


def check_rows(rows: Iterable[Mapping[str, Any]], enough: int = ENOUGH) -> None:
    """See that a sweep's rows are such as a working detector gives; unscored ones are passed over.

    Nothing is concluded from fewer than ``enough`` images with different bytes.
    Raises EnvironmentFailure: no object was found in any image, or exactly the same ones in all.
    """
    details: set[str] = set()
    images: set[str] = set()
    for row in rows:
        if row["status"] == "scored":
            details.add(row["details"])
            images.add(row["image_sha256"])
    if len(images) < enough or len(details) > 1:
        return
    if details == {"{}"}:
        raise EnvironmentFailure(f"the detector found nothing in any of {len(images)} images: {_ADVICE}")
    raise EnvironmentFailure(f"the detector found exactly the same in all of {len(images)} different images: {_ADVICE}")

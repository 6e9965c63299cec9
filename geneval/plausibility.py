"""Telling a detector that does not work from images that show nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wire.protocol import EnvironmentFailure

#: Fewer images than this may well show nothing, or look alike.
ENOUGH = 50
_ADVICE = (
    "check with `miro-eval geneval --self-test`; the rows are kept, and if the images are like that, the same command "
    "again takes them as they are"
)


def check_rows(rows: Iterable[Mapping[str, Any]], enough: int = ENOUGH) -> None:
    """See that a sweep's rows are such as a working detector gives.

    Args:
        rows: result rows; unscored ones are passed over.
        enough: nothing is concluded from fewer images with different bytes.

    Raises:
        EnvironmentFailure: no object was found in any image, or exactly the same ones in all.
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

"""Cells: one value of one metric for one image, and the key that says it is done."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.prefetch import Prepared
from wire.protocol import cell_key

#: A value, or the reason why there is none.
Outcome = float | str


def outcome(value: float) -> Outcome:
    """A score as computed; a number that is not finite is no score."""
    return value if math.isfinite(value) else f"the model gave {value}"


def cell(prepared: Prepared, metric: str, result: Outcome) -> dict[str, Any]:
    """One output row: ``value`` is a float and ``error`` null, or the other way round."""
    scored = isinstance(result, float)
    return {
        "filename": prepared.item.filename,
        "prompt_index": prepared.item.prompt_index,
        "sample_index": prepared.item.sample_index,
        "image_sha256": prepared.sha256,
        "metric": metric,
        "value": result if scored else None,
        "error": None if scored else result,
    }


def cells(
    batch: Sequence[Prepared], results: Mapping[str, Sequence[Outcome]], done: frozenset[str]
) -> list[dict[str, Any]]:
    """The rows of a batch that are not done yet: image by image, metrics in the order of ``results``."""
    return [
        cell(prepared, metric, outcomes[row])
        for row, prepared in enumerate(batch)
        for metric, outcomes in results.items()
        if cell_key(prepared.item.filename, metric) not in done
    ]

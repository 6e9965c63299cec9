"""Which prompts a shortened run uses: the first ones of an order that is fixed by the suite's texts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wire.errors import UserError
from wire.stratified import stratified_order


def limit_indices(prompts: Sequence[Mapping[str, Any]], limit: int | None) -> list[int]:
    """Sorted prompt indices of a run shortened to ``limit`` prompts.

    The first ``limit`` of :func:`wire.stratified.stratified_order`: a longer run holds every prompt of a shorter
    one, and each has its tags in the suite's proportions.

    Args:
        prompts: the suite's lines; ``tag``, where there is one, is the stratum.
        limit: prompts wanted; None, or more than there are, means all.

    Raises:
        UserError: ``limit`` is not positive.
    """
    if limit is None or limit >= len(prompts):
        return list(range(len(prompts)))
    if limit < 1:
        raise UserError(f"limit {limit}: at least one prompt is needed")
    keys = [(str(line.get("tag", "")), str(line.get("prompt", ""))) for line in prompts]
    return sorted(stratified_order(keys)[:limit])

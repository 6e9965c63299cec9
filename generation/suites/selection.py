"""Which prompts a shortened run uses: the first ones of an order that is fixed by the suite's texts alone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from wire.errors import UserError

#: Of the order within a tag; any value serves, and a new one makes shortened runs other runs.
SEED = 553


def limit_indices(prompts: Sequence[Mapping[str, Any]], limit: int | None) -> list[int]:
    """Sorted prompt indices of a run shortened to ``limit`` prompts.

    The first ``limit`` of :func:`stratified_order`: a longer run holds every prompt of a shorter one, and each has its
    tags in the suite's proportions.

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


def stratified_order(prompts: Sequence[tuple[str, str]]) -> list[int]:
    """Indices of all prompts, every beginning of which is a stratified random sample.

    Within a stratum the order is that of a seeded hash of the text, so it is random with respect to what the prompt is
    about, and the same on every machine. The strata take turns: the j-th of K prompts (from 0) stands at (j + 1/2) / K,
    so a beginning holds each stratum's share, give or take one prompt.

    Args:
        prompts: (stratum, text) of each.
    """
    strata: dict[str, list[int]] = defaultdict(list)
    for index, (stratum, _) in enumerate(prompts):
        strata[stratum].append(index)
    places = {
        index: ((2 * turn + 1) / (2 * len(members)), index)
        for members in strata.values()
        for turn, index in enumerate(sorted(members, key=lambda index: (_shuffled(prompts[index][1]), index)))
    }
    return sorted(places, key=places.__getitem__)


def _shuffled(text: str) -> bytes:
    return hashlib.sha256(f"{SEED}\t{text}".encode("utf-8", "surrogatepass")).digest()

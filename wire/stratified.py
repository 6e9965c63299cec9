"""The order in which shortened runs take a suite's prompts: fixed by the prompts' texts alone.

Standard library only and Python >= 3.10: stages cut suites by it, reports look at growing runs by it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

#: Of the order within a tag; any value serves, and a new one makes shortened runs other runs.
SEED = 553


def stratified_order(prompts: Sequence[tuple[str, str]]) -> list[int]:
    """Indices of all prompts, each a (stratum, text); every beginning of them is a stratified random sample.

    Within a stratum the order is that of a seeded hash of the text, so it is random with respect to what the prompt is
    about, and the same on every machine. The strata take turns: the j-th of K prompts (from 0) stands at (j + 1/2) / K,
    so a beginning holds each stratum's share, give or take one prompt.
    """
    strata: dict[str, list[int]] = defaultdict(list)
    hashes: list[bytes] = []
    for index, (stratum, text) in enumerate(prompts):
        strata[stratum].append(index)
        hashes.append(hashlib.sha256(f"{SEED}\t{text}".encode("utf-8", "surrogatepass")).digest())
    places = {
        index: ((2 * turn + 1) / (2 * len(members)), index)
        for members in strata.values()
        for turn, index in enumerate(sorted(members, key=lambda index: (hashes[index], index)))
    }
    return sorted(places, key=places.__getitem__)

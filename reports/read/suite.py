"""GenEval's prompt suites, as far as a report needs them: how many prompts there are, and whether these are they."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from wire.vocabulary import TAGS

#: Prompts of each tag in GenEval's evaluation_metadata.jsonl (Ghosh et al. 2023, arXiv 2310.11513), 553 in all.
PROMPTS_PER_TAG: dict[str, int] = dict(zip(TAGS, (80, 99, 80, 94, 100, 100), strict=True))
PROMPTS = sum(PROMPTS_PER_TAG.values())

#: :func:`suite_digest` of that file, as published in djghosh13/geneval; the file's own sha256 is
#: 5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13.
GENEVAL_DIGEST = "c57497b6bc432330f8f5300919635ba9a168e076684c39762b433768623a8747"

#: Likewise of PartiPrompts (Yu et al. 2022, arXiv 2206.10789), 1,632 prompts without tags, as in google-research/parti.
PARTI_PROMPTS = 1632
PARTI_DIGEST = "ac6b4749a2491fc4fa9713248b6a5f9781d3793148a788aa4e58c5f17e4ebd48"


#: Likewise of GenEval 2 (Kamath et al. 2025, arXiv 2512.16853), 800 prompts without tags.
GENEVAL2_PROMPTS = 800
GENEVAL2_DIGEST = "043337eaab421a00ea0fa8427680f927143d34caf8d5d1768c4d56ea73edd42e"
#: sha256 of its published file, as runs record it.
GENEVAL2_SHA256 = "09233adbc9f877fba205f1a20efa4a8640e7e62a91dfd55893562bed8a928e43"


def suite_digest(prompts: Iterable[tuple[str, str]]) -> str:
    """sha256 over the distinct (tag, prompt) pairs, whatever their order and number of samples.

    It tells GenEval's own prompts from rewritten ones, which keep the file's layout and tags.
    """
    return _digest(frozenset(prompts))


@lru_cache(maxsize=8)
def _digest(prompts: frozenset[tuple[str, str]]) -> str:
    """Kept, as most runs of a report have the same prompts."""
    lines = sorted(f"{tag}\t{prompt}" for tag, prompt in prompts)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()

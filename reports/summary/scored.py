"""How many images have a value, of those that a whole sweep has: what a number rests on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.read.prompts import LINE

if TYPE_CHECKING:
    import pandas as pd

#: Share of the expected images that must be scored for a number to stand for the whole sweep; argued in
#: docs/statistics.md.
WHOLE = 0.99
#: Share of the prompts that must have a count for it to be there by design.
_BY_DESIGN = 0.1

NO_PROTOCOL: Mapping[str, str] = {}


@dataclass(frozen=True)
class Scored:
    """``scored`` images of ``expected`` ones."""

    scored: int
    expected: int

    @property
    def whole(self) -> bool:
        """Whether enough are scored for the number to stand for all."""
        return self.scored >= WHOLE * self.expected

    @property
    def text(self) -> str:
        """E.g. ``2,196 of 2,212``."""
        return f"{self.scored:,} of {self.expected:,}"


def samples_expected(frame: pd.DataFrame, protocol: Mapping[str, str] = NO_PROTOCOL) -> int:
    """Images that every prompt should have.

    Those under one number, by the protocol or as the fullest has them, times the numbers that prompts have by design.
    """
    keys = frame["prompt_key"].tolist()
    lines = frame[LINE].tolist() if LINE in frame else keys
    under_one = max(Counter(zip(keys, lines, strict=True)).values())
    numbers = Counter(key for key, _ in set(zip(keys, lines, strict=True)))
    return max(under_one, protocol_number(protocol, "samples")) * by_design([*numbers.values()])


def by_design(counts: Sequence[int]) -> int:
    """The largest count that a tenth of the prompts reach: more is padding, which meets a few alone; 0 of none."""
    return sorted(counts, reverse=True)[math.ceil(_BY_DESIGN * len(counts)) - 1] if counts else 0


def images_expected(of_prompts: Sequence[int], samples: int, prompts: int = 0) -> int:
    """Images of a whole sweep: every prompt has as many as it should, or as many as were found.

    Args:
        of_prompts: images found, scored or not, of each prompt that was found.
        samples: images that every prompt should have.
        prompts: of the suite; those not found lack all their images.
    """
    return sum(max(samples, found) for found in of_prompts) + max(0, prompts - len(of_prompts)) * samples


def suite_expected(protocol: Mapping[str, str]) -> int:
    """Images of the suite that the protocol names; 0 where it does not say."""
    return protocol_number(protocol, "suite.prompts") * protocol_number(protocol, "samples")


def protocol_number(protocol: Mapping[str, str], field: str) -> int:
    """A count that the protocol records; 0 where it does not."""
    text = protocol.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

"""How many images have a value, of those that a whole sweep has: what a number rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.read.prompts import LINE
from wire.grouping import grouped

if TYPE_CHECKING:
    import pandas as pd

#: Share of the expected images that must be scored for a number to stand for the whole sweep; argued in
#: docs/statistics.md.
WHOLE = 0.99

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


def scored_text(counts: Mapping[str, Scored]) -> str:
    """E.g. ``geneval, vqa 2,212 of 2,212; aesthetic 20 of 2,212``; if all counts are equal, without names."""
    names = grouped((scored.text, name) for name, scored in counts.items())
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{', '.join(of_count)} {text}" for text, of_count in names.items())


def samples_expected(frame: pd.DataFrame, protocol: Mapping[str, str] = NO_PROTOCOL) -> int:
    """Images that every prompt should have: those under one number, times the numbers that prompts have by design.

    These are how often the prompts go into the list, rounded; the rest is padding. Gaps count as lost lines, but for so
    many that they must be meant: at most twice what the commonest prompt has.
    """
    under_one = _under_one_number(frame, protocol)
    if LINE not in frame:
        return under_one
    lines = frame[LINE].tolist()
    numbers = Counter(key for key, _ in set(zip(frame["prompt_key"].tolist(), lines, strict=True)))
    places = list(map(_count, lines))
    listed = max(numbers.total(), max(places) - min(places) + 1)
    return under_one * max(1, min(2 * max(numbers.values()), round(listed / len(numbers))))


def _under_one_number(frame: pd.DataFrame, protocol: Mapping[str, str]) -> int:
    """Images that every number should have: by the protocol, or as the fullest has them.

    Or as the samples' numbers tell where they count from 0 without a gap, though no prompt may have them all.
    """
    lines = frame[LINE if LINE in frame else "prompt_key"].tolist()
    samples = set() if LINE in frame else set(frame["sample_index"].tolist())
    counted = len(samples) if samples == set(range(len(samples))) else 0
    return max(*Counter(lines).values(), counted, _count(protocol.get("samples", "")))


def images_expected(of_prompts: Sequence[int], samples: int, prompts: int = 0) -> int:
    """Images of a whole sweep: every prompt has as many as it should, or as many as were found.
    ``of_prompts``: images found, scored or not, of each prompt that was found.
    ``samples``: images that every prompt should have.
    ``prompts``: of the suite; those not found lack all their images.
    """
    return sum(max(samples, found) for found in of_prompts) + max(0, prompts - len(of_prompts)) * samples


def rewards_expected(frame: pd.DataFrame, protocol: Mapping[str, str] = NO_PROTOCOL) -> int:
    """Images of a whole sweep of the suite that the protocol names, else of the prompts of a table of rewards."""
    if lines := _count(protocol.get("suite.prompts", "")):
        return max(lines * _under_one_number(frame, protocol), len(frame))
    of_prompts = [*Counter(frame["prompt_key"].tolist()).values()]
    return images_expected(of_prompts, samples_expected(frame, protocol))


def _count(text: str) -> int:
    """A whole number of a usual size; 0 for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

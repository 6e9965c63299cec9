"""A question that the data leave open, and how much more of them would settle it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from reports.gate.evidence import Evidence, bound_text

#: Beyond a thousand times what there is, no number is worth telling.
MOST = 1000.0


@dataclass(frozen=True)
class Settling:
    """What would settle a question, the difference staying as it is; each alone would do.

    Attributes:
        prompts: of the same kind, with as many images each; None where a thousand times as many would not do.
        samples: images for each of the same prompts; None likewise, or where it is not known.
    """

    prompts: int | None
    samples: int | None


@dataclass(frozen=True)
class OpenQuestion:
    """Whether a drop is within the margin, where neither a drop is shown nor one beyond the margin excluded.

    Attributes:
        tests: metrics that the level is shared among where a drop is shown.
    """

    evidence: Evidence
    margin: float
    tolerated: float
    level: float
    tests: int

    @cached_property
    def settling(self) -> Settling:
        """Either a drop beyond the margin is then excluded, or one beyond what is tolerated shown: what is sooner."""
        evidence = self.evidence
        prompts = _least(lambda factor: self._settled(evidence.grown(prompts=factor)))
        known = evidence.within is not None
        samples = _least(lambda factor: self._settled(evidence.grown(samples=factor))) if known else None
        return Settling(
            prompts=None if prompts is None else math.ceil(prompts * evidence.prompts),
            samples=None if samples is None else math.ceil(samples * evidence.samples),
        )

    @property
    def text(self) -> str:
        """The question, and what would settle it, in words."""
        more, bound = self.settling, self.evidence.drop_bound(self.level)
        ways = [f"{more.prompts:,} prompts (now {self.evidence.prompts:,})"] if more.prompts else []
        if more.samples:
            ways.append(f"{more.samples:,} images of each prompt (now {self.evidence.samples:.3g})")
        what = f"about {' or '.join(ways)} would settle it" if ways else "no number of prompts would settle it"
        drop = f"a {self.evidence.worse} of up to {bound:.4f} ({bound_text(self.level)}) cannot be excluded"
        return f"{drop}, margin {self.margin:g}; {what}, the difference staying as it is"

    def _settled(self, more: Evidence) -> bool:
        shown = more.shows_drop_beyond(self.tolerated) < self.level / self.tests
        return shown or more.excludes_drop_beyond(self.margin) < self.level


def _least(settled: Callable[[float], bool]) -> float | None:
    """The smallest factor that settles it, from 1 to a thousand."""
    low, high = 1.0, 1.0
    while not settled(high):
        if high > MOST:
            return None
        low, high = high, 2.0 * high
    while high / low > 1.0 + 1e-6:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high

"""What of the suite a sweep covers: part of every number that is made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from reports.read.suite import GENEVAL_DIGEST, PROMPTS, PROMPTS_PER_TAG, suite_digest
from reports.summary.numbers import Proportion

if TYPE_CHECKING:
    import pandas as pd

#: A column of texts.
_Texts = tuple[str, ...]


class Suite(Enum):
    """Whether the prompts are GenEval's own."""

    GENEVAL = "geneval"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Coverage:
    """Prompts and images found and scored, against GenEval's suite.

    Attributes:
        prompts: prompts with at least one scored image, of the suite's 553.
        tags: the same for each tag.
        prompts_found: prompts with any image, scored or not.
        images: images found, scored or not.
        samples_per_prompt: the largest number of images of a prompt.
        images_missing: how many images the prompts that were found lack of that number.
        suite: ``unknown`` for an incomplete sweep, whose prompts cannot be compared with the suite as a whole.
    """

    prompts: Proportion
    tags: dict[str, Proportion]
    prompts_found: int
    images: int
    samples_per_prompt: int
    images_missing: int
    suite: Suite

    @property
    def all_prompts(self) -> bool:
        """Every tag has as many scored prompts as the suite."""
        return all(tag.correct == tag.total for tag in self.tags.values())

    @property
    def text(self) -> str:
        """E.g. ``544 of 553 prompts``."""
        return f"{self.prompts.correct} of {self.prompts.total} prompts"

    @property
    def shortfalls(self) -> str:
        """The tags that lack prompts, e.g. ``color_attr 91 of 100``; empty where none does."""
        short = (f"{name} {tag.correct} of {tag.total}" for name, tag in self.tags.items() if tag.correct != tag.total)
        return ", ".join(short)


def cover(verdicts: pd.DataFrame) -> Coverage:
    """Coverage of a table of :func:`reports.read.verdicts.read_verdicts`, which must have rows."""
    columns = (tuple(verdicts[name].tolist()) for name in ("tag", "prompt_key", "prompt"))
    return _cover(*columns, tuple(verdicts["correct"].notna().tolist()))


@lru_cache(maxsize=4)
def _cover(of_tags: _Texts, keys: _Texts, texts: _Texts, judged: tuple[bool, ...]) -> Coverage:
    """Kept, as most runs of a report cover the same."""
    prompts = list(zip(of_tags, keys, strict=True))
    scored = Counter(tag for tag, _ in {prompt for prompt, known in zip(prompts, judged, strict=True) if known})
    tags = {tag: Proportion(scored[tag], expected) for tag, expected in PROMPTS_PER_TAG.items()}
    images = Counter(prompts)
    found = len(images)
    samples = max(images.values())
    return Coverage(
        prompts=Proportion(sum(tag.correct for tag in tags.values()), PROMPTS),
        tags=tags,
        prompts_found=found,
        images=len(prompts),
        samples_per_prompt=samples,
        images_missing=samples * found - len(prompts),
        suite=_suite(zip(of_tags, texts, strict=True), found),
    )


def _suite(prompts: Iterable[tuple[str, str]], found: int) -> Suite:
    if suite_digest(prompts) == GENEVAL_DIGEST:
        return Suite.GENEVAL
    return Suite.OTHER if found >= PROMPTS else Suite.UNKNOWN

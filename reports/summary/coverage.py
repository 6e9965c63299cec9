"""What of the suite a sweep covers: part of every number that is made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

from reports.read.suite import GENEVAL_DIGEST, PROMPTS, PROMPTS_PER_TAG, suite_digest
from reports.summary.numbers import Proportion
from reports.summary.scored import NO_PROTOCOL, Scored, images_expected, samples_expected

if TYPE_CHECKING:
    import pandas as pd

#: A column of texts.
_Texts = tuple[str, ...]


class Suite(Enum):
    """Whether the prompts are GenEval's own, or GenEval 2's."""

    GENEVAL = "geneval"
    GENEVAL2 = "geneval2"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Coverage:
    """Prompts and images found and scored, against GenEval's suite."""

    #: Prompts with at least one scored image, of the suite's 553; ``tags`` has the same for each tag.
    prompts: Proportion
    tags: dict[str, Proportion]
    #: prompts_found, images: prompts with any image, and images, scored or not.
    prompts_found: int
    images: int
    scored: Scored  #: scored images, of those that the whole suite has; ``scored_tags`` has the same for each tag
    scored_tags: dict[str, Scored]
    samples_per_prompt: int  #: images that every prompt should have (:func:`reports.summary.scored.samples_expected`)
    images_missing: int  #: how many images the prompts that were found lack of that number
    suite: Suite  #: ``unknown`` for an incomplete sweep, whose prompts cannot be compared with the suite as a whole

    @property
    def all_prompts(self) -> bool:
        """Every tag has as many scored prompts as the suite."""
        return all(tag.correct == tag.total for tag in self.tags.values())

    @property
    def gaps(self) -> bool:
        """The prompts that were found lack too many scored images for the score to stand for them."""
        return not Scored(self.scored.scored, self.images + self.images_missing).whole

    @property
    def text(self) -> str:
        """E.g. ``544 of 553 prompts``."""
        return f"{self.prompts.correct} of {self.prompts.total} prompts"

    @property
    def shortfalls(self) -> str:
        """The tags that lack prompts, e.g. ``color_attr 91 of 100``; empty where none does."""
        short = (f"{name} {tag.correct} of {tag.total}" for name, tag in self.tags.items() if tag.correct != tag.total)
        return ", ".join(short)


def cover(verdicts: pd.DataFrame, protocol: Mapping[str, str] = NO_PROTOCOL) -> Coverage:
    """Coverage of a table of :func:`reports.read.verdicts.read_verdicts`, which must have rows.
    ``protocol``: as of the manifest; it tells how many samples a prompt should have.
    """
    columns = (tuple(verdicts[name].tolist()) for name in ("tag", "prompt_key", "prompt"))
    return _cover(*columns, tuple(verdicts["correct"].notna().tolist()), samples_expected(verdicts, protocol))


@lru_cache(maxsize=4)
def _cover(of_tags: _Texts, keys: _Texts, texts: _Texts, judged: tuple[bool, ...], samples: int) -> Coverage:
    """Kept, as most runs of a report cover the same."""
    prompts = list(zip(of_tags, keys, strict=True))
    scored_prompts = Counter(tag for tag, _ in set(compress(prompts, judged)))
    tags = {tag: Proportion(scored_prompts[tag], expected) for tag, expected in PROMPTS_PER_TAG.items()}
    found = Counter(prompts)
    scored_images = Counter(compress(of_tags, judged))
    scored_tags = {}
    for tag, expected in PROMPTS_PER_TAG.items():
        of_prompts = [count for (of_tag, _), count in found.items() if of_tag == tag]
        scored_tags[tag] = Scored(scored_images[tag], images_expected(of_prompts, samples, expected))
    unlike = Suite.OTHER if len(found) >= PROMPTS else Suite.UNKNOWN
    return Coverage(
        prompts=Proportion(sum(tag.correct for tag in tags.values()), PROMPTS),
        tags=tags,
        prompts_found=len(found),
        images=len(prompts),
        scored=Scored(
            sum(one.scored for one in scored_tags.values()), sum(one.expected for one in scored_tags.values())
        ),
        scored_tags=scored_tags,
        samples_per_prompt=samples,
        images_missing=sum(max(0, samples - count) for count in found.values()),
        suite=Suite.GENEVAL if suite_digest(zip(of_tags, texts, strict=True)) == GENEVAL_DIGEST else unlike,
    )

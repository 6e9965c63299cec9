"""A GenEval sweep in numbers: tag accuracies, overall score, prompts solved, coverage, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from reports.statistics.clusters import Clusters, intraclass_correlation
from reports.statistics.intervals import Interval, macro_interval, mean_interval
from reports.statistics.resampling import resample_together
from reports.summary.coverage import Coverage, cover
from reports.summary.numbers import Proportion, counted, mean_of_proportions
from reports.summary.scored import NO_PROTOCOL
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Accuracy:
    """Verdicts counted in the three usual ways, over one tag or over all; intervals are None below two prompts."""

    images: Proportion  #: correct images, of those scored
    images_interval: Interval | None
    any_correct: Proportion  #: prompts with at least one correct image, of those with a scored one ("any of N")
    any_correct_interval: Interval | None
    all_correct: Proportion  #: prompts of which every scored image is correct ("all of N")
    all_correct_interval: Interval | None
    intraclass_correlation: float | None  #: of verdicts within prompts, pooled within tags; None where not defined


@dataclass(frozen=True)
class GenevalSummary:
    """A sweep of GenEval (Ghosh et al. 2023, arXiv 2310.11513)."""

    #: Unweighted mean of the six tag accuracies, from 0 to 1; None unless every tag has a scored image.
    overall: float | None
    overall_interval: Interval | None  #: None unless every tag has two prompts with scored images
    tags: dict[str, Accuracy]
    pooled: Accuracy  #: over all images whatever their tag: ``pooled.images`` is *not* the GenEval score
    coverage: Coverage
    unscored: int  #: images without a verdict; they are in no numerator and no denominator
    unscored_reasons: dict[str, int]

    @property
    def overall_if_missing(self) -> tuple[float, float]:
        """What overall would be, were all images that are missing or unscored wrong, or all right."""
        parts = [(self.tags[tag].images.correct, scored) for tag, scored in self.coverage.scored_tags.items()]
        wrong = fmean(correct / scored.expected for correct, scored in parts)
        return wrong, wrong + fmean(1.0 - scored.scored / scored.expected for _, scored in parts)


def summarise_geneval(verdicts: pd.DataFrame, protocol: Mapping[str, str] = NO_PROTOCOL) -> GenevalSummary:
    """Summarise a table of :func:`reports.read.verdicts.read_verdicts`, which has rows; their order does not matter.
    ``protocol``: as of the manifest; it tells how many images a whole sweep has.
    """
    scored = verdicts["correct"].notna().to_numpy()
    known = verdicts if scored.all() else verdicts[scored]
    correct = known["correct"].to_numpy(dtype="float64")
    images = Clusters.gather(known["prompt_key"].tolist(), known["tag"].tolist(), correct, order=TAGS)
    any_correct = images.prompts_where(images.sums > 0)
    all_correct = images.prompts_where(images.sums == images.counts)
    # Of an expectation over selections nobody can say that "any" or "all" of its images are right.
    fractions = not np.isin(correct, (0.0, 1.0)).all()
    if fractions:
        any_correct = all_correct = images.only("")
    clusters, *of_prompts = resample_together([images, any_correct, all_correct])
    tags = {
        tag: _accuracy(clusters.only(tag), *(part.only(tag) for part in of_prompts), fractions=fractions)
        for tag in TAGS
    }
    every_tag = len(clusters.strata) == len(TAGS)
    unscored = list(compress(verdicts["reason"].tolist(), ~scored))
    return GenevalSummary(
        overall=mean_of_proportions(tag.images for tag in tags.values()),
        overall_interval=macro_interval(clusters) if every_tag else None,
        tags=tags,
        pooled=_accuracy(clusters, *of_prompts, fractions=fractions),
        coverage=cover(verdicts, protocol),
        unscored=len(unscored),
        unscored_reasons=counted(unscored),
    )


def _accuracy(images: Clusters, any_correct: Clusters, all_correct: Clusters, *, fractions: bool) -> Accuracy:
    return Accuracy(
        images=_proportion(images),
        images_interval=mean_interval(images, proportion=not fractions),
        any_correct=_proportion(any_correct),
        any_correct_interval=mean_interval(any_correct, proportion=True),
        all_correct=_proportion(all_correct),
        all_correct_interval=mean_interval(all_correct, proportion=True),
        intraclass_correlation=intraclass_correlation(images),
    )


def _proportion(verdicts: Clusters) -> Proportion:
    correct = Fraction(float(verdicts.sums.sum()))
    return Proportion(correct.numerator if correct.denominator == 1 else correct, int(verdicts.counts.sum()))

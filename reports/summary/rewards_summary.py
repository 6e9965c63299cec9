"""The rewards of a run in numbers: mean per metric, what it rests on, and its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reports.read.reward_rows import RewardTable
from reports.statistics.clusters import Layout
from reports.statistics.intervals import Interval, mean_interval
from reports.statistics.resampling import resample_together
from reports.summary.numbers import counted
from reports.summary.scored import NO_PROTOCOL, Scored, rewards_expected, samples_expected


@dataclass(frozen=True)
class MetricSummary:
    """One metric over a run."""

    mean: float | None  #: over the scored images, in the metric's raw scale; None without any
    interval: Interval | None  #: of the mean; None with fewer than two prompts
    images: int  #: scored images, which the mean rests on
    prompts: int
    unscored: int  #: images of the run without a value, for whatever reason
    unscored_reasons: dict[str, int]
    expected: int  #: images that a whole sweep has

    @property
    def scored(self) -> Scored:
        """What the mean rests on, of what it should."""
        return Scored(self.images, self.expected)


@dataclass(frozen=True)
class RewardsSummary:
    """All metrics over a run."""

    metrics: dict[str, MetricSummary]  #: by metric id, the seven first
    images: int  #: images with a reward row
    prompts: int
    unscored: int  #: images that lack a value of at least one metric
    samples_per_prompt: int  #: images that every prompt should have
    origin: str = ""  #: as of :class:`reports.read.reward_rows.RewardTable`


def summarise_rewards(
    table: RewardTable, tags: Mapping[str, str], protocol: Mapping[str, str] = NO_PROTOCOL, judged: int = 0
) -> RewardsSummary:
    """Summarise the rewards of a run, which has rows.
    ``tags``: file name -> GenEval tag, within which prompts are resampled; may be empty. Means do not depend on it.
    ``protocol``: as of the manifest; it tells how many images a whole sweep has.
    ``judged``: images that the run's sweep should have by its verdicts.
    """
    prompts = table.frame["prompt_key"].tolist()
    strata = [tags.get(name, "") for name in table.frame["filename"].tolist()]
    layout = Layout.of(prompts, strata)
    columns = [table.frame[metric].to_numpy() for metric in table.metrics]
    scored = [~np.isnan(column) for column in columns]
    clusters = [layout.where(known).clusters(column[known]) for column, known in zip(columns, scored, strict=True)]
    expected = max(rewards_expected(table.frame, protocol), judged)
    metrics = {}
    for metric, column, known, totals in zip(table.metrics, columns, scored, resample_together(clusters), strict=True):
        missing = table.frame["filename"][~known].tolist()
        reasons = (table.reasons[metric].get(name, "no value in the row") for name in missing)
        metrics[metric] = MetricSummary(
            # The sum is rounded once, so that the order does not matter.
            mean=math.fsum(column[known].tolist()) / int(known.sum()) if known.any() else None,
            interval=mean_interval(totals),
            images=int(known.sum()),
            prompts=len(totals.counts),
            unscored=len(missing),
            unscored_reasons=counted(reasons),
            expected=expected,
        )
    unscored = int((~np.logical_and.reduce(scored)).sum())
    samples = samples_expected(table.frame, protocol)
    return RewardsSummary(metrics, len(table.frame), len(set(prompts)), unscored, samples, table.origin)

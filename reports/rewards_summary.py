"""The rewards of a run in numbers: mean per metric, what it rests on, and its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.numbers import counted, mean
from reports.reward_rows import RewardTable
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import Interval, mean_interval


@dataclass(frozen=True)
class MetricSummary:
    """One metric over a run.

    Attributes:
        mean: over the scored images, in the metric's raw scale; None without any.
        interval: of the mean; None with fewer than two prompts.
        images: scored images, which the mean rests on.
        prompts: prompts with a scored image.
        unscored: images of the run without a value, for whatever reason.
        unscored_reasons: why, with counts.
    """

    mean: float | None
    interval: Interval | None
    images: int
    prompts: int
    unscored: int
    unscored_reasons: dict[str, int]


@dataclass(frozen=True)
class RewardsSummary:
    """All metrics over a run.

    Attributes:
        metrics: by metric id, the seven first.
        images: images with a reward row.
        prompts: prompts with a reward row.
        unscored: images that lack a value of at least one metric.
    """

    metrics: dict[str, MetricSummary]
    images: int
    prompts: int
    unscored: int


def summarise_rewards(table: RewardTable, tags: Mapping[str, str]) -> RewardsSummary:
    """Summarise the rewards of a run.

    Args:
        table: at least one row.
        tags: file name -> GenEval tag, within which prompts are resampled; may be empty. Means do not depend on it.
    """
    return RewardsSummary(
        metrics={metric: _metric(table, metric, tags) for metric in table.metrics},
        images=len(table.frame),
        prompts=int(table.frame["prompt_key"].nunique()),
        unscored=int(table.frame[list(table.metrics)].isna().any(axis=1).sum()),
    )


def _metric(table: RewardTable, metric: str, tags: Mapping[str, str]) -> MetricSummary:
    scored = table.frame[table.frame[metric].notna()]
    missing = table.frame["filename"][table.frame[metric].isna()]
    values = scored[metric].tolist()
    strata = [tags.get(name, "") for name in scored["filename"].tolist()]
    clusters = Clusters.gather(scored["prompt_key"].tolist(), strata, values)
    reasons = table.reasons[metric]
    return MetricSummary(
        mean=mean(values),
        interval=mean_interval(clusters),
        images=len(values),
        prompts=int(scored["prompt_key"].nunique()),
        unscored=len(missing),
        unscored_reasons=counted(reasons.get(name, "no value in the row") for name in missing),
    )

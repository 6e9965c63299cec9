"""The numbers of an analysis: pass@k, best of N, rewards and verdicts, histograms, accuracy by what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.analysis.findings import OVER_PROMPTS, Finding
from reports.read.rows import json_object
from reports.statistics.best_of_n import expected_best, expected_of_best, sizes_up_to, usual_size
from reports.statistics.clusters import Clusters
from reports.statistics.correlation import rank_correlation
from reports.statistics.intervals import mean_interval
from wire.grouping import grouped
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from reports.read.reward_rows import RewardTable

#: Parts into which a histogram cuts the way from the lowest to the highest value.
PARTS = 10


def pass_at_k(verdicts: pd.DataFrame | None) -> Iterator[Finding]:
    """pass@1, pass@2, ... by tag, and their unweighted mean over the tags where all six are there.

    Exactly, over all subsets of a prompt's judged images (Chen et al. 2021, arXiv 2107.03374); prompts with fewer
    than k are left out of pass@k.
    """
    if verdicts is None:
        return
    prompts = verdicts[verdicts["correct"].notna()].groupby(["tag", "prompt_key"])["correct"]
    groups = [(str(tag), group.to_numpy(dtype=np.float64)) for (tag, _), group in prompts]
    for size in sizes_up_to(max((len(values) for _, values in groups), default=0)):
        means: list[float] = []
        for tag in TAGS:
            chances = [expected_best(values, size) for own, values in groups if own == tag and len(values) >= size]
            if chances:
                means.append(float(np.mean(chances)))
                yield Finding("pass_at_k", tag, f"pass@{size}", means[-1], len(chances), "prompts")
        if len(means) == len(TAGS):
            count = sum(len(values) >= size for _, values in groups)
            yield Finding("pass_at_k", "overall", f"pass@{size}", float(np.mean(means)), count, "prompts")


def best_of(images: pd.DataFrame, metrics: Mapping[str, bool]) -> Iterator[Finding]:
    """Expected GenEval score (with all tags there) and mean rewards of the best of N = 1, 2, 4, ... by each reward.

    Only prompts of which as many images as half of the prompts have are scored in all metrics count, so that every
    number stands over the same prompts.
    ``images``: merged rows of one run.
    ``metrics``: metric id -> whether lower is better; both what is chosen by and what the choice is worth.
    """
    judged = bool(images["correct"].notna().any())
    columns = [*metrics, *(["correct"] if judged else [])]
    scored = images[images[columns].notna().all(axis=1)] if metrics else images.head(0)
    groups = [
        (str(group["tag"].iloc[0]), group[columns].astype("float64").to_numpy())
        for _, group in scored.groupby("prompt_key")
    ]
    most = usual_size([len(values) for _, values in groups])
    whole = [(tag, values) for tag, values in groups if len(values) >= most]
    tags = np.array([tag for tag, _ in whole])
    for size in sizes_up_to(most) if most > 1 else ():
        for place, (selector, lower) in enumerate(metrics.items()):
            sign = -1.0 if lower else 1.0
            worth = np.array([expected_of_best(sign * values[:, place], values, size) for _, values in whole])
            means = {column: float(worth[:, number].mean()) for number, column in enumerate(columns)}
            if means.pop("correct", None) is not None and set(tags) >= set(TAGS):
                overall = float(np.mean([worth[tags == tag, -1].mean() for tag in TAGS]))
                means = {"overall": overall, **means}
            for quantity, mean in means.items():
                yield Finding(f"best_of_{size}", selector, quantity, mean, len(tags), "prompts")


def rewards_against_verdicts(images: pd.DataFrame, metrics: Mapping[str, bool]) -> Iterator[Finding]:
    """AUC of each reward for the verdict, over all images and within prompts, and its means by verdict.
    ``images``: merged rows of one run.
    ``metrics``: metric id -> whether lower is better.
    """
    analysis = "reward_against_verdict"
    for metric, lower in metrics.items():
        both = images[images["correct"].notna() & images[metric].notna()]
        right = both["correct"].astype(bool)
        values = both[metric].astype("float64")
        if not right.any() or right.all():
            continue
        wins, pairs = _ordered_pairs(both, metric, lower)
        yield Finding(analysis, metric, "AUC", wins / pairs, len(both))
        prompts = [_ordered_pairs(group, metric, lower) for _, group in both.groupby("prompt_key")]
        won, within = sum(wins for wins, _ in prompts), sum(pairs for _, pairs in prompts)
        if within:
            yield Finding(analysis, metric, "AUC within prompts", won / within, within, "pairs")
        yield Finding(analysis, metric, "mean of right", float(values[right].mean()), int(right.sum()))
        yield Finding(analysis, metric, "mean of wrong", float(values[~right].mean()), int((~right).sum()))


def _ordered_pairs(images: pd.DataFrame, metric: str, lower: bool) -> tuple[float, int]:
    """Pairs of a right and a wrong image that the reward orders rightly, ties counting half; and all such pairs.

    Mann and Whitney's U, by ranks of the sorted wrong values.
    """
    is_right = images["correct"].to_numpy(dtype=bool)
    values = images[metric].to_numpy(dtype=np.float64) * (-1.0 if lower else 1.0)
    right, wrong = values[is_right], np.sort(values[~is_right])
    below = np.searchsorted(wrong, right, "left").sum()
    at_most = np.searchsorted(wrong, right, "right").sum()
    return float(below + at_most) / 2.0, len(right) * len(wrong)


def reward_correlations(images: pd.DataFrame, metrics: Sequence[str]) -> Iterator[Finding]:
    """Spearman's rank correlation of every two rewards, over images and over prompts' means, with intervals.

    Over the images that have both; none where one is constant.
    """
    named = list(metrics)
    means = images.groupby("prompt_key", as_index=False)[named].mean() if named else images
    for analysis, frame, unit in (("reward_correlation", images, "images"), (OVER_PROMPTS, means, "prompts")):
        pairs = [(row, column) for place, row in enumerate(named) for column in named[place:]]
        found = {pair: _correlated(frame, *pair) for pair in pairs}
        for row in named:
            for column in named:
                value, low, high, size = found.get((row, column)) or found[column, row]
                if value is not None:
                    yield Finding(analysis, row, column, value, size, unit, low, high)


def _correlated(frame: pd.DataFrame, row: str, column: str) -> tuple[float | None, float | None, float | None, int]:
    """Correlation, its bounds, and over how many; a reward's with itself is 1 without bounds."""
    both = frame[frame[row].notna() & frame[column].notna()]
    values = [both[name].to_numpy(dtype=np.float64) for name in (row, column)]
    found = rank_correlation(both["prompt_key"].astype(str).tolist(), values[0], values[1])
    value, bounds = found or (None, None)
    low, high = bounds if bounds and row != column else (None, None)
    return value, low, high, len(both)


def histograms(rewards: RewardTable | None) -> Iterator[Finding]:
    """Lowest and highest value of each metric, and the share of images in every tenth of the way between them."""
    for metric in rewards.metrics if rewards else ():
        values: NDArray[Any] = rewards.frame[metric].dropna().to_numpy() if rewards else np.array([])
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        way = (values - low) / (high - low) if high > low else np.zeros(len(values))
        counts = np.bincount(np.minimum(way * PARTS, PARTS - 1).astype(int), minlength=PARTS)
        yield Finding("histogram", metric, "lowest", low, len(values))
        for part, count in enumerate(counts.tolist(), start=1):
            yield Finding("histogram", metric, f"{part}/{PARTS}", count / len(values), len(values))
        yield Finding("histogram", metric, "highest", high, len(values))


def breakdown(verdicts: pd.DataFrame | None) -> Iterator[Finding]:
    """Accuracy with its interval over prompts, best first; prompts whose metadata say nothing are left out.

    An image counts for each class, relation and color of its prompt: the verdict is on the whole image, so that
    a class shares in the failures of those it is asked for with.
    """
    if verdicts is None:
        return
    scored = verdicts[verdicts["correct"].notna()]
    images = zip(scored["prompt_key"], scored["metadata"], scored["correct"], strict=True)
    asked = grouped(
        (subject, (prompt, float(correct)))
        for prompt, metadata, correct in images
        for subject in dict.fromkeys(_asked(metadata))
    )
    for analysis in ("class", "relation", "color", "count"):
        own = [_accuracy(analysis, name, images) for (kind, name), images in asked.items() if kind == analysis]
        yield from sorted(own, key=lambda one: (-one.value, one.subject))


def _asked(metadata: str) -> Iterator[tuple[str, str]]:
    """(analysis, subject) of each clause of a prompt."""
    record = json_object(metadata)
    clauses = record.get("include")
    for clause in clauses if isinstance(clauses, list) else []:
        if not isinstance(clause, dict):
            continue
        position = clause.get("position")
        relation = position[0] if isinstance(position, list) and position else None
        subjects = {"class": clause.get("class"), "color": clause.get("color"), "relation": relation}
        yield from ((analysis, subject) for analysis, subject in subjects.items() if isinstance(subject, str))
        if record.get("tag") == "counting" and isinstance(clause.get("count"), int):
            yield "count", str(clause["count"])


def _accuracy(analysis: str, subject: str, images: list[tuple[str, float]]) -> Finding:
    prompts, correct = zip(*images, strict=True)
    interval = mean_interval(Clusters.gather(prompts, [""] * len(images), correct), proportion=True)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Finding(analysis, subject, "accuracy", sum(correct) / len(images), len(images), low=low, high=high)

"""Do the rewards agree with the verdicts, and with one another?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.findings import Finding

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def rewards_against_verdicts(images: pd.DataFrame, metrics: Mapping[str, bool]) -> Iterator[Finding]:
    """AUC of each reward for the verdict, over all images and within prompts, and its means by verdict.

    Args:
        metrics: metric id -> whether lower is better.
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
        within = sum(count for _, count in prompts)
        if within:
            yield Finding(
                analysis, metric, "AUC within prompts", sum(won for won, _ in prompts) / within, within, "pairs"
            )
        yield Finding(analysis, metric, "mean of right", float(values[right].mean()), int(right.sum()))
        yield Finding(analysis, metric, "mean of wrong", float(values[~right].mean()), int((~right).sum()))


def _ordered_pairs(images: pd.DataFrame, metric: str, lower: bool) -> tuple[float, int]:
    right = images["correct"].to_numpy(dtype=bool)
    values = images[metric].to_numpy(dtype=np.float64) * (-1.0 if lower else 1.0)
    return _wins(values[right], values[~right])


def _wins(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> tuple[float, int]:
    """Pairs of a right and a wrong image that the reward orders rightly, ties counting half; and all such pairs.

    Mann and Whitney's U, by ranks of the sorted wrong values.
    """
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, "left").sum()
    at_most = np.searchsorted(ordered, right, "right").sum()
    return float(below + at_most) / 2.0, len(right) * len(wrong)


def reward_correlations(images: pd.DataFrame, metrics: Sequence[str]) -> Iterator[Finding]:
    """Spearman's rank correlation of every two rewards, over images that have both; none where one is constant."""
    for row in metrics:
        for column in metrics:
            both = images[images[row].notna() & images[column].notna()]
            ranks = [both[name].astype("float64").rank() for name in (row, column)]
            if len(both) > 2 and all(rank.nunique() > 1 for rank in ranks):
                yield Finding("reward_correlation", row, column, float(ranks[0].corr(ranks[1])), len(both))

"""How the values of each reward are spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.findings import Finding

if TYPE_CHECKING:
    from reports.read.reward_rows import RewardTable

#: Parts into which the way from the lowest to the highest value is cut.
PARTS = 10


def histograms(rewards: RewardTable | None) -> Iterator[Finding]:
    """Lowest and highest value of each metric, and the share of images in every tenth of the way between them."""
    for metric in rewards.metrics if rewards else ():
        values = rewards.frame[metric].dropna().to_numpy() if rewards else np.array([])
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        way = (values - low) / (high - low) if high > low else np.zeros(len(values))
        counts = np.bincount(np.minimum(way * PARTS, PARTS - 1).astype(int), minlength=PARTS)
        yield Finding("histogram", metric, "lowest", low, len(values))
        for part, count in enumerate(counts.tolist(), start=1):
            yield Finding("histogram", metric, f"{part}/{PARTS}", count / len(values), len(values))
        yield Finding("histogram", metric, "highest", high, len(values))

"""pass@k: how likely one of k images of a prompt is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.findings import Finding
from reports.statistics.best_of_n import expected_best, sizes_up_to
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd


def pass_at_k(verdicts: pd.DataFrame | None) -> Iterator[Finding]:
    """pass@1, pass@2, ... by tag, and their unweighted mean over the tags where all six are there.

    Exactly, over all subsets of a prompt's judged images (Chen et al. 2021, arXiv 2107.03374); prompts with fewer
    than k are left out of pass@k.
    """
    if verdicts is None:
        return
    scored = verdicts[verdicts["correct"].notna()]
    prompts = scored.groupby(["tag", "prompt_key"])["correct"]
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

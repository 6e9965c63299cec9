"""Best of N: what is gained, in every score, by keeping the image that one reward likes best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.analysis.findings import Finding
from reports.statistics.best_of_n import expected_of_best, sizes_up_to, usual_size
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def best_of(images: pd.DataFrame, metrics: Mapping[str, bool]) -> Iterator[Finding]:
    """Expected GenEval score and mean rewards of the best of N by each reward, for N = 1, 2, 4, ... and all.

    Args:
        images: merged rows of one run.
        metrics: its rewards, what is chosen by and what the choice is worth; each with whether lower is better. Only
            prompts of which as many images as half of the prompts have are scored in all of them count, so that
            every number stands over the same prompts.
    """
    judged = bool(images["correct"].notna().any())
    columns = [*metrics, *(["correct"] if judged else [])]
    scored = images[images[columns].notna().all(axis=1)] if metrics else images.head(0)
    groups = [(str(group["tag"].iloc[0]), _values(group, columns)) for _, group in scored.groupby("prompt_key")]
    most = usual_size([len(values) for _, values in groups])
    whole = [(tag, values) for tag, values in groups if len(values) >= most]
    for size in sizes_up_to(most) if most > 1 else ():
        for place, (selector, lower) in enumerate(metrics.items()):
            sign = -1.0 if lower else 1.0
            worth = np.array([expected_of_best(sign * values[:, place], values, size) for _, values in whole])
            yield from _findings(f"best_of_{size}", selector, columns, worth, [tag for tag, _ in whole])


def _values(group: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    return group[list(columns)].astype("float64").to_numpy()


def _findings(
    analysis: str, selector: str, columns: Sequence[str], worth: NDArray[np.float64], tags: list[str]
) -> Iterator[Finding]:
    """One line of the table: the GenEval score, where all tags are there, then the means of the rewards."""
    prompts = len(tags)
    if "correct" in columns and set(tags) >= set(TAGS):
        correct, tag_of = worth[:, columns.index("correct")], np.array(tags)
        overall = float(np.mean([correct[tag_of == tag].mean() for tag in TAGS]))
        yield Finding(analysis, selector, "overall", overall, prompts, "prompts")
    for place, metric in enumerate(columns):
        if metric != "correct":
            yield Finding(analysis, selector, metric, float(worth[:, place].mean()), prompts, "prompts")

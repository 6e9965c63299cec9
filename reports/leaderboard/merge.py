"""All stages of a run in one table, one row an image or one a prompt: what ``scores.csv`` and ``prompts.csv`` hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.read.reward_rows import RewardTable
from reports.read.runs import Run, image_keys
from wire.grouping import grouped
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: What a merged table says of an image itself.
IMAGE_COLUMNS = (
    *("model", "prompt_key", "sample_index", "filename", "tag", "prompt"),
    *("correct", "reason", "image_sha256"),
)
#: Columns that every merged table begins with; further metrics follow.
LEADING = (*IMAGE_COLUMNS, *SEVEN_REWARDS)
#: Columns that every merged table ends with.
LAST = ("unscored_rewards",)
#: The column that two stages are joined by; no metric is called so.
_KEY = "\tkey"
#: Columns of a table of prompts; further metrics follow.
PROMPT_COLUMNS = ("model", "prompt_key", "tag", "prompt", "images", "judged", "correct", *SEVEN_REWARDS)


def merge_stages(run: Run) -> pd.DataFrame:
    """One row an image that has a row of any stage, sorted by prompt and file name.

    Images are joined as :func:`reports.read.runs.image_keys` says.
    Returns :data:`LEADING` columns, then further metrics, then ``unscored_rewards`` (``metric: reason``, joined by
    semicolons). ``correct`` is NA where unscored, a reward NaN.
    """
    images = _joined(run.verdicts, _with_reasons(run.rewards))
    further = [metric for metric in (run.rewards.metrics if run.rewards else ()) if metric not in SEVEN_REWARDS]
    return images.assign(model=run.name).reindex(columns=[*LEADING, *further, *LAST])


def merge_images(images: pd.DataFrame) -> pd.DataFrame:
    """One row a prompt, from a table of :func:`merge_stages`, which is sorted by prompt.
    Returns :data:`PROMPT_COLUMNS`, then further metrics: ``images`` with a row of any stage, ``judged`` and ``correct``
    ones (NaN where none is judged), and the mean of each reward over the images that have it.
    """
    import pandas as pd

    keys = images["prompt_key"].tolist()
    place_of = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    places = np.fromiter(map(place_of.__getitem__, keys), dtype=np.int64, count=len(keys))
    first = np.unique(places, return_index=True)[1]
    correct = images["correct"].astype("boolean").to_numpy(dtype="float64", na_value=np.nan)
    right, judged = _totals(places, correct)
    index = pd.RangeIndex(len(first))
    columns: dict[str, Any] = {
        name: pd.Series(images[name].to_numpy()[first], index=index, dtype=object) for name in PROMPT_COLUMNS[:4]
    }
    columns |= {"images": np.bincount(places), "judged": judged, "correct": np.where(judged > 0, right, np.nan)}
    for metric in (*SEVEN_REWARDS, *sorted({*images.columns} - {*LEADING, *LAST})):
        total, count = _totals(places, images[metric].to_numpy())
        columns[metric] = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return pd.DataFrame(columns, index=index)


def _totals(places: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each prompt, the sum and the number of its images' values; NaN is none."""
    known = ~np.isnan(values)
    size = int(places.max()) + 1
    sums = np.bincount(places[known], weights=values[known], minlength=size)
    return sums, np.bincount(places[known], minlength=size)


def _with_reasons(rewards: RewardTable | None) -> pd.DataFrame | None:
    if rewards is None:
        return None
    if not any(rewards.reasons.values()):
        return rewards.frame.assign(unscored_rewards="")
    reasons = ((metric, *pair) for metric, of_it in rewards.reasons.items() for pair in of_it.items())
    texts = grouped((name, f"{metric}: {reason}") for metric, name, reason in reasons)
    unscored = ["; ".join(texts.get(name, ())) for name in rewards.frame["filename"]]
    return rewards.frame.assign(unscored_rewards=unscored)


def _joined(verdicts: pd.DataFrame | None, rewards: pd.DataFrame | None) -> pd.DataFrame:
    """Outer join of the stages; what both know (prompt, sample, hash) is the verdict's where it has it."""
    import pandas as pd

    if verdicts is None or rewards is None:
        found = verdicts if rewards is None else rewards
        if found is None:
            raise AssertionError("a run has rows of some stage")
        return found
    left, right = image_keys(verdicts, rewards), image_keys(rewards, verdicts)
    if left == right and verdicts["filename"].is_unique:
        own = rewards[rewards.columns.difference(verdicts.columns)]
        return pd.concat([verdicts.reset_index(drop=True), own.reset_index(drop=True)], axis="columns")
    sides = verdicts.assign(**{_KEY: left}), rewards.assign(**{_KEY: right})
    joined = sides[0].merge(sides[1], on=_KEY, how="outer", suffixes=("", "_of_rewards"))
    for column in ("filename", "prompt_key", "prompt", "sample_index", "image_sha256"):
        other = f"{column}_of_rewards"
        if other in joined:
            joined[column] = joined[column].where(joined[column].notna() & (joined[column] != ""), joined[other])
    return joined.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)

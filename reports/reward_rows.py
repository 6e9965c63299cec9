"""Reward rows (``rewards.jsonl``) as a table, one row an image and one column a metric."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.vocabulary import SEVEN_REWARDS
from reports.rows import SourceRow, prompt_keys, sample_place, source_rows

if TYPE_CHECKING:
    import pandas as pd

#: Keys of a row that are about the image; any other key with a number is a metric.
ABOUT_THE_IMAGE = frozenset(
    {"filename", "prompt", "prompt_index", "sample_index", "image_sha256", "unscored"}
    | {"tag", "metadata", "seed", "status", "error"}
)


@dataclass(frozen=True, eq=False)
class RewardTable:
    """The rewards of a run.

    Attributes:
        frame: one row an image, sorted by prompt and file name: ``prompt_key``, ``filename``, ``prompt``,
            ``sample_index``, ``image_sha256``, then one float column a metric id, NaN where unscored.
        metrics: metric ids: the seven first, in their order, then others by name.
        reasons: metric id -> file name -> why it is unscored, as far as the rows say.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    reasons: dict[str, dict[str, str]]


@dataclass
class _Scores:
    filename: str
    prompt: str
    prompt_index: int | None
    sample_index: int | None
    image_sha256: str
    values: dict[str, float]
    unscored: dict[str, str]


def read_rewards(path: Path) -> RewardTable:
    """Read a file of reward rows.

    A number that is not finite is unscored. Several rows of one image are joined, so that metrics may have been
    added later; a row about other bytes (another ``image_sha256``) replaces what was there.

    Raises:
        UserError: a malformed line, or two values of one metric for one image; the message names file and line.
    """
    import pandas as pd

    images = _joined(source_rows(path))
    metrics = _metric_order(images)
    keys = prompt_keys(
        [image.prompt_index for image in images],
        [image.filename for image in images],
        [image.prompt for image in images],
    )
    columns: dict[str, Any] = {
        "prompt_key": pd.Series(keys, dtype=object),
        "filename": [image.filename for image in images],
        "prompt": [image.prompt for image in images],
        "sample_index": [image.sample_index for image in images],
        "image_sha256": [image.image_sha256 for image in images],
    }
    for metric in metrics:
        columns[metric] = pd.Series([image.values.get(metric, math.nan) for image in images], dtype="float64")
    frame = pd.DataFrame(columns).sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)
    return RewardTable(frame, metrics, _reasons(images, metrics))


def is_metric(key: str, value: Any) -> bool:
    """Whether a row's key holds a metric: not about the image, and a number (or null, for unscored)."""
    number = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    return key not in ABOUT_THE_IMAGE and number


def _joined(rows: Iterable[SourceRow]) -> list[_Scores]:
    images: dict[tuple[str, str], _Scores] = {}
    for row in rows:
        scores = _scores(row)
        image = (scores.filename, scores.prompt)
        earlier = images.get(image)
        if earlier is None or earlier.image_sha256 != scores.image_sha256:
            images[image] = scores
        else:
            _join(earlier, scores, row)
    return list(images.values())


def _join(earlier: _Scores, later: _Scores, row: SourceRow) -> None:
    for metric, value in later.values.items():
        if earlier.values.setdefault(metric, value) != value:
            raise row.error(f"{later.filename!r} has two values of {metric!r}; is the file two runs in one?")
    earlier.unscored.update(later.unscored)


def _scores(row: SourceRow) -> _Scores:
    filename = row.text("filename")
    place = sample_place(filename)
    sample = row.index("sample_index")
    values, unscored = _values(row)
    return _Scores(
        filename=filename,
        prompt=row.optional_text("prompt"),
        prompt_index=row.index("prompt_index"),
        sample_index=place[1] if sample is None and place else sample,
        image_sha256=row.optional_text("image_sha256"),
        values=values,
        unscored=unscored,
    )


def _values(row: SourceRow) -> tuple[dict[str, float], dict[str, str]]:
    unscored = row.values.get("unscored") or {}
    if not isinstance(unscored, dict):
        raise row.error("'unscored' must be an object of metric id -> reason")
    reasons = {str(metric): str(reason) for metric, reason in unscored.items()}
    values: dict[str, float] = {}
    for key, value in row.values.items():
        if type(value) is float and key not in ABOUT_THE_IMAGE and math.isfinite(value):
            values[key] = value
        elif not is_metric(key, value):
            _refuse_odd_value(row, key)
        elif value is None:
            reasons.setdefault(key, "no reason given")
        elif not math.isfinite(value):
            reasons[key] = "not a finite number"
        else:
            values[key] = float(value)
    if not values and not reasons:
        raise row.error("no metric in this row: not a reward row")
    return values, reasons


def _refuse_odd_value(row: SourceRow, key: str) -> None:
    if key in SEVEN_REWARDS:
        raise row.error(f"{key!r} must be a number, found {str(row.values[key])[:40]!r}")


def _metric_order(images: list[_Scores]) -> tuple[str, ...]:
    found = {metric for image in images for metric in (*image.values, *image.unscored)}
    return (*(metric for metric in SEVEN_REWARDS if metric in found), *sorted(found - set(SEVEN_REWARDS)))


def _reasons(images: list[_Scores], metrics: tuple[str, ...]) -> dict[str, dict[str, str]]:
    return {
        metric: {
            image.filename: image.unscored[metric]
            for image in images
            if metric in image.unscored and metric not in image.values
        }
        for metric in metrics
    }

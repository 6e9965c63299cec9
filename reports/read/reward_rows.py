"""Reward rows (``rewards.jsonl``) as a table, one row an image and one column a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.read.rows import SourceRow, SourceTable, prompt_keys, sample_number, source_table
from reports.read.upstream import ORIGIN, with_our_ids, within_run
from wire.cards import NO_CARDS, Cards
from wire.vocabulary import SEVEN_REWARDS

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
        origin: whose rows they are, where metric names were mapped; empty for our own.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    reasons: dict[str, dict[str, str]]
    origin: str = ""


@dataclass(frozen=True)
class _Scores:
    """The rewards of a file.

    Attributes:
        places: of each image, the row that is about it.
        columns: metric id -> (images,) values, NaN where unscored; in the order of tables.
        reasons: as of :class:`RewardTable`.
    """

    places: Sequence[int]
    columns: dict[str, NDArray[np.float64]]
    reasons: dict[str, dict[str, str]]


@dataclass
class _Image:
    """The rewards of one row, or of an image's rows joined."""

    place: int
    values: dict[str, float]
    unscored: dict[str, str]


def read_rewards(path: Path, cards: Cards = NO_CARDS) -> RewardTable:
    """Read a file of reward rows: ours, or those of upstream's ``score_images.py`` (see :mod:`reports.read.upstream`).

    A number that is not finite is unscored. Several rows of one image are joined, so that metrics may have been
    added later; a row about other bytes (another ``image_sha256``) replaces what was there. Upstream's names are told
    by the metrics' cards.

    Raises:
        UserError: a malformed line, or two values of one metric for one image; the message names file and line.
    """
    import pandas as pd

    found = source_table(path)
    table = with_our_ids(found, cards)
    about = _about(table)
    scores = _plain_scores(table, about) or _joined_scores(table, about)
    of_images = {name: [column[place] for place in scores.places] for name, column in about.items()}
    keys = prompt_keys(of_images.pop("prompt_index"), of_images["filename"], of_images["prompt"])
    order = sorted(range(len(keys)), key=list(zip(keys, of_images["filename"], strict=True)).__getitem__)
    columns: dict[str, Any] = {"prompt_key": pd.Series([keys[place] for place in order], dtype=object)}
    columns |= {name: pd.Series([column[place] for place in order], dtype=object) for name, column in of_images.items()}
    columns |= {metric: scores.columns[metric][order] for metric in scores.columns}
    return RewardTable(pd.DataFrame(columns), tuple(scores.columns), scores.reasons, "" if table is found else ORIGIN)


def is_metric(key: str, value: Any) -> bool:
    """Whether a row's key holds a metric: not about the image, and a number (or null, for unscored)."""
    number = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    return key not in ABOUT_THE_IMAGE and number


def _about(table: SourceTable) -> dict[str, list[Any]]:
    """What the rows say of their images, checked."""
    filenames = within_run(table.texts("filename"), table.path.parent)
    return {
        "filename": filenames,
        "prompt": table.optional_texts("prompt"),
        "prompt_index": table.indices("prompt_index"),
        "sample_index": list(map(sample_number, table.indices("sample_index"), filenames)),
        "image_sha256": table.optional_texts("image_sha256"),
    }


def _plain_scores(table: SourceTable, about: dict[str, list[Any]]) -> _Scores | None:
    """The scores of a file in which every image has one row, with all the metrics; None for any other file."""
    keys = set(table.records[0]) - ABOUT_THE_IMAGE if table.records else set()
    columns = {key: table.column(key) for key in keys}
    alike = len({len(record.keys() - ABOUT_THE_IMAGE) for record in table.records}) == 1
    whole = alike and all(set(map(type, column)) == {float} for column in columns.values())
    images = set(zip(about["filename"], about["prompt"], strict=True))
    if not keys or not whole or any(table.column("unscored")) or len(images) < len(table):
        return None
    values = {metric: np.array(columns[metric], dtype=np.float64) for metric in _metric_order(keys)}
    finite = all(np.isfinite(column).all() for column in values.values())
    return _Scores(range(len(table)), values, {metric: {} for metric in values}) if finite else None


def _joined_scores(table: SourceTable, about: dict[str, list[Any]]) -> _Scores:
    images = _joined(table, about)
    metrics = _metric_order({metric for image in images for metric in (*image.values, *image.unscored)})
    columns = {
        metric: np.array([image.values.get(metric, math.nan) for image in images], dtype=np.float64)
        for metric in metrics
    }
    return _Scores([image.place for image in images], columns, _reasons(images, metrics, about["filename"]))


def _joined(table: SourceTable, about: dict[str, list[Any]]) -> list[_Image]:
    """One entry an image, with what is about it taken from the place of its first row with the last bytes."""
    images: dict[tuple[str, str], _Image] = {}
    for place, image in enumerate(zip(about["filename"], about["prompt"], strict=True)):
        row = table.row(place)
        found = _Image(place, *_values(row))
        earlier = images.setdefault(image, found)
        if earlier is found:
            continue
        if about["image_sha256"][earlier.place] != about["image_sha256"][place]:
            images[image] = found
        else:
            _join(earlier, found, row)
    return list(images.values())


def _join(earlier: _Image, later: _Image, row: SourceRow) -> None:
    for metric, value in later.values.items():
        if earlier.values.setdefault(metric, value) != value:
            raise row.error(f"{row.text('filename')!r} has two values of {metric!r}; is the file two runs in one?")
    earlier.unscored.update(later.unscored)


def _values(row: SourceRow) -> tuple[dict[str, float], dict[str, str]]:
    """Values, and reasons for being unscored."""
    unscored = row.values.get("unscored") or {}
    if not isinstance(unscored, dict):
        raise row.error("'unscored' must be an object of metric id -> reason")
    reasons = {str(metric): str(reason) for metric, reason in unscored.items()}
    values: dict[str, float] = {}
    for key, value in row.values.items():
        if not is_metric(key, value):
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


def _metric_order(found: Set[str]) -> tuple[str, ...]:
    return (*(metric for metric in SEVEN_REWARDS if metric in found), *sorted(found - set(SEVEN_REWARDS)))


def _reasons(images: list[_Image], metrics: tuple[str, ...], filenames: list[str]) -> dict[str, dict[str, str]]:
    reasons: dict[str, dict[str, str]] = {metric: {} for metric in metrics}
    for image in images:
        for metric, reason in image.unscored.items():
            if metric not in image.values:
                reasons[metric][filenames[image.place]] = reason
    return reasons

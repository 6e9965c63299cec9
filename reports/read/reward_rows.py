"""Reward rows (``rewards.jsonl``) as a table, one row an image and one column a metric."""

from __future__ import annotations

import sys
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.read.rows import Rows, prompt_keys, read_rows, sample_numbers
from reports.read.upstream import ORIGIN, with_our_ids, within_run
from wire.cards import NO_CARDS, Cards
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    import pandas as pd

#: Keys of a row that are about the image; any other key with a number is a metric.
ABOUT_THE_IMAGE = frozenset(
    {"filename", "prompt", "prompt_key", "prompt_index", "sample_index", "image_sha256", "unscored"}
    | {"tag", "metadata", "seed", "status", "error"}
)

_LARGEST = sys.float_info.max


@dataclass(frozen=True, eq=False)
class RewardTable:
    """The rewards of a run.

    Attributes:
        frame: one row an image, sorted by prompt and file name: ``prompt_key``, ``filename``, ``prompt``,
            ``sample_index``, ``image_sha256``, then one float column a metric id, NaN where unscored.
        metrics: metric ids: the seven first, in their order, then others by name.
        reasons: metric id -> file name -> why it is unscored, as far as the rows say.
        origin: whose rows they are, where metric names were mapped; empty for our own.
        twice: file names of rows that only say again what an earlier one says.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    reasons: dict[str, dict[str, str]]
    origin: str = ""
    twice: tuple[str, ...] = ()


@dataclass
class _Image:
    """The rewards of one row, or of an image's rows joined; ``place`` is the row's."""

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

    found = read_rows(path)
    rows = with_our_ids(found, cards)
    about = _about(rows)
    images, twice = _joined(rows, about)
    metrics = _metric_order({metric for image in images for metric in (*image.values, *image.unscored)})
    frame = pd.DataFrame(about, dtype=object).iloc[[image.place for image in images]].reset_index(drop=True)
    keys = prompt_keys(*(frame[name].tolist() for name in ("prompt_index", "filename", "prompt")))
    frame.insert(0, "prompt_key", pd.Series(keys, dtype=object))
    values = pd.DataFrame([image.values for image in images], columns=[*metrics], dtype="float64")
    frame = pd.concat([frame.drop(columns="prompt_index"), values], axis="columns")
    frame = frame.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)
    reasons = _reasons(images, metrics, about["filename"])
    return RewardTable(frame, metrics, reasons, "" if rows is found else ORIGIN, twice)


def is_metric(key: str, value: Any) -> bool:
    """Whether a row's key holds a metric: not about the image, and a number (or null, for unscored)."""
    return key not in ABOUT_THE_IMAGE and (value is None or _is_number(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _about(rows: Rows) -> dict[str, list[Any]]:
    """What the rows say of their images, checked."""
    filenames = within_run(rows.texts("filename"), rows.path.parent)
    return {
        "filename": filenames,
        "prompt": rows.optional_texts("prompt"),
        "prompt_index": rows.indices("prompt_index"),
        "sample_index": sample_numbers(rows, filenames),
        "image_sha256": rows.optional_texts("image_sha256"),
    }


def _joined(rows: Rows, about: dict[str, list[Any]]) -> tuple[list[_Image], tuple[str, ...]]:
    """One entry an image, with what is about it taken from the place of its first row with the last bytes.

    Also the names of rows that only say again what an earlier one says.
    """
    images: dict[tuple[str, str], _Image] = {}
    twice: list[str] = []
    hashes = about["image_sha256"]
    for place, image in enumerate(zip(about["filename"], about["prompt"], strict=True)):
        found = _Image(place, *_values(rows, place))
        earlier = images.setdefault(image, found)
        if hashes[earlier.place] != hashes[place]:
            images[image] = found
        elif earlier is not found:
            if found.values and found.values.items() <= earlier.values.items():
                twice.append(image[0])
            _join(earlier, found, rows)
    return list(images.values()), tuple(twice)


def _join(earlier: _Image, later: _Image, rows: Rows) -> None:
    for metric, value in later.values.items():
        if earlier.values.setdefault(metric, value) != value:
            name = rows.records[later.place]["filename"]
            raise rows.error(later.place, f"{name!r} has two values of {metric!r}; is the file two runs in one?")
    earlier.unscored.update(later.unscored)


def _values(rows: Rows, place: int) -> tuple[dict[str, float], dict[str, str]]:
    """Values of a row, and reasons for being unscored."""
    record = rows.records[place]
    reasons = _recorded_reasons(rows, place)
    values: dict[str, float] = {}
    for key, value in record.items():
        if key in ABOUT_THE_IMAGE:
            continue
        if value is None:
            reasons.setdefault(key, "no reason given")
        elif not _is_number(value):
            _refuse(rows, place, key)
        elif abs(value) <= _LARGEST:
            values[key] = float(value)
        else:
            reasons[key] = "not a finite number"
    if not values and not reasons:
        raise rows.error(place, "no metric in this row: not a reward row")
    return values, reasons


def _recorded_reasons(rows: Rows, place: int) -> dict[str, str]:
    unscored = rows.records[place].get("unscored") or {}
    if not isinstance(unscored, dict):
        raise rows.error(place, "'unscored' must be an object of metric id -> reason")
    return {metric: str(reason) for metric, reason in unscored.items() if metric not in ABOUT_THE_IMAGE}


def _refuse(rows: Rows, place: int, key: str) -> None:
    """Odd values are passed over, but under the name of a reward that is ours."""
    if key in SEVEN_REWARDS:
        raise rows.error(place, f"{key!r} must be a number, found {str(rows.records[place][key])[:40]!r}")


def _metric_order(found: Set[str]) -> tuple[str, ...]:
    return (*(metric for metric in SEVEN_REWARDS if metric in found), *sorted(found - set(SEVEN_REWARDS)))


def _reasons(images: list[_Image], metrics: tuple[str, ...], filenames: list[str]) -> dict[str, dict[str, str]]:
    reasons: dict[str, dict[str, str]] = {metric: {} for metric in metrics}
    for image in images:
        for metric, reason in image.unscored.items():
            if metric not in image.values:
                reasons[metric][filenames[image.place]] = reason
    return reasons

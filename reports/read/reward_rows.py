"""Reward rows (``rewards.jsonl``) as a table, one row an image and one column a metric."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.read.reward_keys import is_number, kind_of, metric_id, reward_keys
from reports.read.rows import Rows, prompt_keys, read_rows, sample_numbers
from reports.read.upstream import ORIGIN, with_our_ids, within_run
from wire.cards import NO_CARDS, Cards
from wire.reserved import ROW_KEYS
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    import pandas as pd

#: Numbers beyond this are no scores, and their powers would be beyond all numbers.
LARGEST = 1e60


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
        notes: which names were changed, and which keys were passed over.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    reasons: dict[str, dict[str, str]]
    origin: str = ""
    twice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
    by the metrics' cards; those that clash with ours are changed, see :func:`wire.reserved.shown_name`.

    Raises:
        UserError: a malformed line, or two values of one metric for one image; the message names file and line.
    """
    import pandas as pd

    found = read_rows(path)
    rows = with_our_ids(found, cards)
    about = _about(rows)
    keys = reward_keys(rows, cards)
    images, twice = _joined(rows, about, keys.metrics)
    metrics = _metric_order({metric for image in images for metric in (*image.values, *image.unscored)})
    frame = pd.DataFrame(about, dtype=object).iloc[[image.place for image in images]].reset_index(drop=True)
    prompts = prompt_keys(*(frame[name].tolist() for name in ("prompt_index", "filename", "prompt")))
    frame.insert(0, "prompt_key", pd.Series(prompts, dtype=object))
    values = pd.DataFrame([image.values for image in images], columns=[*metrics], dtype="float64")
    frame = pd.concat([frame.drop(columns="prompt_index"), values], axis="columns")
    frame = frame.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)
    reasons = _reasons(images, metrics, about["filename"])
    return RewardTable(frame, metrics, reasons, "" if rows is found else ORIGIN, twice, keys.notes)


def is_metric(key: str, value: Any) -> bool:
    """Whether a row's key holds a metric: not about the image, and a number (or null, for unscored)."""
    return key not in ROW_KEYS and (value is None or is_number(value))


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


def _joined(
    rows: Rows, about: dict[str, list[Any]], metrics: Mapping[str, str]
) -> tuple[list[_Image], tuple[str, ...]]:
    """One entry an image, with what is about it taken from the place of its first row with the last bytes.

    Also the names of rows that only say again what an earlier one says.
    """
    images: dict[tuple[str, str], _Image] = {}
    twice: list[str] = []
    hashes = about["image_sha256"]
    for place, image in enumerate(zip(about["filename"], about["prompt"], strict=True)):
        found = _Image(place, *_values(rows, place, metrics))
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


def _values(rows: Rows, place: int, metrics: Mapping[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Values of a row by metric id, and reasons for being unscored."""
    record = rows.records[place]
    reasons = _recorded_reasons(rows, place)
    values: dict[str, float] = {}
    for key, value in record.items():
        metric = metrics.get(key)
        if metric is None:
            continue
        if value is None:
            reasons.setdefault(metric, "no reason given")
        elif not is_number(value):
            reasons[metric] = _oddity(rows, place, key)
        elif abs(value) <= LARGEST:
            values[metric] = float(value)
        else:
            reasons[metric] = "not a finite number"
    if not values and not reasons:
        raise rows.error(place, "no metric in this row: not a reward row")
    return values, reasons


def _recorded_reasons(rows: Rows, place: int) -> dict[str, str]:
    unscored = rows.records[place].get("unscored") or {}
    if not isinstance(unscored, dict):
        raise rows.error(place, "'unscored' must be an object of metric id -> reason")
    return {metric_id(metric): str(reason) for metric, reason in unscored.items() if metric not in ROW_KEYS}


def _oddity(rows: Rows, place: int, key: str) -> str:
    """Why an odd value is none; under the name of a reward that is ours it is refused."""
    value = rows.records[place][key]
    if key in SEVEN_REWARDS:
        raise rows.error(place, f"{key!r} must be a number, found {str(value)[:40]!r}")
    return f"{kind_of(value)}, not a number"


def _metric_order(found: Set[str]) -> tuple[str, ...]:
    return (*(metric for metric in SEVEN_REWARDS if metric in found), *sorted(found - set(SEVEN_REWARDS)))


def _reasons(images: list[_Image], metrics: tuple[str, ...], filenames: list[str]) -> dict[str, dict[str, str]]:
    reasons: dict[str, dict[str, str]] = {metric: {} for metric in metrics}
    for image in images:
        for metric, reason in image.unscored.items():
            if metric not in image.values:
                reasons[metric][filenames[image.place]] = reason
    return reasons

"""Reward rows (``rewards.jsonl``) as a table, one row an image and one column a metric.

Which keys are metrics, and what these are called here, the rows tell; what is passed over is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.read.manifest import display_name
from reports.read.questions import DETAILS, asked_of
from reports.read.rows import ORIGIN, Rows, prompt_keys, read_rows, sample_numbers, with_our_ids, within_run
from wire.cards import NO_CARDS, Cards
from wire.errors import UserError
from wire.reserved import ROW_KEYS, ROW_WORDS, shown_name
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    import pandas as pd

#: Numbers beyond this are no scores, and their powers would be beyond all numbers.
LARGEST = 1e60
#: A key with this at its end that has whole numbers alone tells which image it is, or how large, not how good.
_ID = re.compile(
    r"(?:^|[^a-z0-9]|(?<=[a-z])(?=[A-Z]))(?i:ids?|uuid|idx|index|indices|no|num|number|seed|width|height|w|h|size|resolution|"
    r"pixels|bytes|steps?|iter|iteration|epoch|batch|shard|rank|gpu|worker|line|row|page|sample|timestamp|time|year|"
    r"status|code|error|tag|label|class|category)$"
)
_KINDS: dict[type, str] = {str: "text", bool: "true or false", list: "a list", dict: "an object"}
#: Names written out in a note.
_NAMES_LISTED = 8


@dataclass(frozen=True, eq=False)
class RewardTable:
    """The rewards of a run."""

    #: One row an image, sorted by prompt and file name: ``prompt_key``, ``filename``, ``prompt``, ``sample_index``,
    #: ``image_sha256``, then one float column a metric id, NaN where unscored; where any row has them, an image's
    #: questions under :data:`reports.read.questions.QUESTIONS`.
    frame: pd.DataFrame
    metrics: tuple[str, ...]  #: metric ids: the seven first, in their order, then others by name
    reasons: dict[str, dict[str, str]]  #: metric id -> file name -> why it is unscored, as far as the rows say
    origin: str = ""  #: whose rows they are, where metric names were mapped; empty for our own
    twice: tuple[str, ...] = ()  #: file names of rows that only say again what an earlier one says
    notes: tuple[str, ...] = ()  #: which names were changed, and which keys were passed over
    replaced: tuple[str, ...] = ()  #: file names of rows that a later one about other bytes replaces


@dataclass
class _Image:
    """The rewards of one row, or of an image's rows joined; ``place`` is the row's."""

    place: int
    values: dict[str, float]
    unscored: dict[str, str]
    asked: dict[str, tuple[Any, ...]]


def read_rewards(path: Path, cards: Cards = NO_CARDS) -> RewardTable:
    """Read a file of reward rows: ours, or those of upstream (see :func:`reports.read.rows.with_our_ids`).

    A number that is not finite is unscored. Several rows of one image are joined, so that metrics may have been
    added later; a row about other bytes (another ``image_sha256``) replaces what was there. Upstream's names are told
    by the metrics' cards; those that clash with ours are changed, see :func:`wire.reserved.shown_name`.
    Raises UserError: a malformed line, or two values of one metric for one image; the message names file and line.
    """
    import pandas as pd

    found = read_rows(path)
    rows = with_our_ids(found, cards)
    filenames = within_run(rows.texts("filename"), path.parent)
    about: dict[str, list[Any]] = {
        "filename": filenames,
        "prompt": rows.optional_texts("prompt"),
        "prompt_index": rows.indices("prompt_index"),
        "sample_index": sample_numbers(rows, filenames),
        "image_sha256": rows.optional_texts("image_sha256"),
    }
    keys, notes = _reward_keys(rows, cards)
    asked, malformed = _questions(rows)
    images, twice, replaced = _joined(rows, about, keys, asked)
    known = {metric for image in images for metric in (*image.values, *image.unscored)}
    metrics = (*(metric for metric in SEVEN_REWARDS if metric in known), *sorted(known - {*SEVEN_REWARDS}))
    frame = pd.DataFrame(about, dtype=object).iloc[[image.place for image in images]].reset_index(drop=True)
    prompts = prompt_keys(*(frame[name].tolist() for name in ("prompt_index", "filename", "prompt")))
    frame.insert(0, "prompt_key", pd.Series(prompts, dtype=object))
    values = pd.DataFrame([image.values for image in images], columns=[*metrics], dtype="float64")
    frame = pd.concat([frame.drop(columns="prompt_index"), values], axis="columns")
    if asked:
        for column in sorted({column for questions in asked.values() for column in questions}):
            frame[column] = pd.Series([image.asked.get(column) for image in images], dtype=object)
    frame = frame.sort_values(["prompt_key", "filename"], kind="stable", ignore_index=True)
    reasons: dict[str, dict[str, str]] = {metric: {} for metric in metrics}
    for image in images:
        for metric, reason in image.unscored.items():
            if metric not in image.values:
                reasons[metric][filenames[image.place]] = reason
    origin = "" if rows is found else ORIGIN
    return RewardTable(frame, metrics, reasons, origin, twice, (*notes, *malformed), replaced)


def _reward_keys(rows: Rows, cards: Cards) -> tuple[dict[str, str], tuple[str, ...]]:
    """Key in the file -> metric id, and notes on names that were changed and on what was passed over.

    All rows are looked through; a key with a card is a metric whatever it is called.
    Raises UserError: two keys would be one metric.
    """
    pairs = (zip(record, map(type, record.values()), strict=True) for record in rows.records)
    found: dict[str, Counter[type]] = {}
    for (key, kind), count in Counter(chain.from_iterable(pairs)).items():
        found.setdefault(key, Counter())[kind] = count
    scored = {key for key, types in found.items() if types[int] or types[float]}
    about = {key for key in found if key in ROW_KEYS or (key in ROW_WORDS and key not in scored)}
    # No number and not merely null; under the name of a reward that is ours it is refused instead.
    others = found.keys() - about - scored - {*SEVEN_REWARDS}
    odd = {key: types for key, types in found.items() if key in others and types.keys() != {type(None)}}
    unknown = found.keys() - about - odd.keys() - cards.keys() - {*SEVEN_REWARDS}
    ids = [key for key in found if key in unknown and _ID.search(key) and _all_whole(rows.column(key))]
    metrics = {key: metric_id(key) for key in found if not (key in about or key in odd or key in ids)}
    taken: dict[str, str] = {}
    for key, metric in metrics.items():
        if taken.setdefault(metric, key) != key:
            raise UserError(f"{rows.path}: {taken[metric]!r} and {key!r} are both shown as {metric}; rename one")
    return metrics, tuple(_key_notes(metrics, odd, ids))


def _questions(rows: Rows) -> tuple[dict[int, dict[str, tuple[Any, ...]]], tuple[str, ...]]:
    """The questions of rows that have some, by place and column, and a note on malformed ones."""
    pairs = ((place, asked_of(rows.records[place])) for place, own in enumerate(rows.column(DETAILS)) if own)
    found = {place: asked for place, asked in pairs if asked}
    odd = sum(not all(asked.values()) for asked in found.values())
    malformed = f"questions that cannot be read are ignored, in {odd:,} rows"
    whole = {place: {column: own for column, own in asked.items() if own} for place, asked in found.items()}
    return {place: asked for place, asked in whole.items() if asked}, (malformed,) if odd else ()


def _all_whole(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) or (isinstance(value, float) and value.is_integer()) for value in values)


def _key_notes(metrics: Mapping[str, str], odd: Mapping[str, Counter[type]], ids: Sequence[str]) -> Iterator[str]:
    if renamed := [f"{key} as {metric}" for key, metric in metrics.items() if display_name(key) != metric]:
        yield f"metrics with names of our columns are shown under others: {_listed(renamed)}"
    if odd:
        counted = [f"{key} ({_counted(types)})" for key, types in odd.items()]
        yield f"ignored, because they hold no numbers: {_listed(counted)}"
    if ids:
        yield f"ignored, because whole numbers under such names are not scores: {_listed(ids)}"


def _counted(types: Counter[type]) -> str:
    return ", ".join(f"{_KINDS[kind]} in {rows:,} rows" for kind, rows in types.items() if kind in _KINDS)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_LISTED
    return ", ".join(map(display_name, names[:_NAMES_LISTED])) + (f" and {more:,} more" if more > 0 else "")


def metric_id(key: str) -> str:
    """What the metric under a key is called everywhere: on one line, and as no column of ours."""
    return shown_name(display_name(key))


def is_number(value: Any) -> bool:
    """A number of JSON's, which true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_metric(key: str, value: Any) -> bool:
    """Whether a row's key holds a metric: not about the image, and a number (or null, for unscored)."""
    return key not in ROW_KEYS and (value is None or is_number(value))


def _joined(
    rows: Rows, about: dict[str, list[Any]], metrics: Mapping[str, str], asked: Mapping[int, dict[str, tuple[Any, ...]]]
) -> tuple[list[_Image], tuple[str, ...], tuple[str, ...]]:
    """One entry an image, with what is about it taken from the place of its first row with the last bytes.

    Also the names of rows that only say again what an earlier one says, and of those replaced.
    """
    images: dict[tuple[str, str], _Image] = {}
    twice, replaced = list[str](), list[str]()
    hashes = about["image_sha256"]
    for place, image in enumerate(zip(about["filename"], about["prompt"], strict=True)):
        found = _Image(place, *_values(rows, place, metrics), dict(asked.get(place, {})))
        earlier = images.setdefault(image, found)
        if hashes[earlier.place] != hashes[place]:
            images[image] = found
            replaced.append(image[0])
        elif earlier is not found:
            if found.values and found.values.items() <= earlier.values.items():
                twice.append(image[0])
            for metric, value in found.values.items():
                if earlier.values.setdefault(metric, value) != value:
                    name = rows.records[place]["filename"]
                    raise rows.error(place, f"{name!r} has two values of {metric!r}; is the file two runs in one?")
            earlier.unscored.update(found.unscored)
            earlier.asked = found.asked | earlier.asked
    return list(images.values()), tuple(twice), tuple(replaced)


def _values(rows: Rows, place: int, metrics: Mapping[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Values of a row by metric id, and reasons for being unscored."""
    unscored = rows.records[place].get("unscored") or {}
    if not isinstance(unscored, dict):
        raise rows.error(place, "'unscored' must be an object of metric id -> reason")
    reasons = {metric_id(metric): str(reason) for metric, reason in unscored.items() if metric not in ROW_KEYS}
    values: dict[str, float] = {}
    for key, value in rows.records[place].items():
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


def _oddity(rows: Rows, place: int, key: str) -> str:
    """Why an odd value is none; under the name of a reward that is ours it is refused."""
    value = rows.records[place][key]
    if key in SEVEN_REWARDS:
        raise rows.error(place, f"{key!r} must be a number, found {str(value)[:40]!r}")
    return f"{_KINDS.get(type(value), type(value).__name__)}, not a number"

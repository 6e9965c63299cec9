"""Which keys of reward rows are metrics and what these are called here; what is passed over is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from reports.read.manifest import display_name
from reports.read.rows import Rows
from wire.cards import Cards
from wire.errors import UserError
from wire.reserved import ROW_KEYS, ROW_WORDS, shown_name
from wire.vocabulary import SEVEN_REWARDS

#: A key with this at its end that has whole numbers alone tells which image it is, or how large, not how good.
_ID = re.compile(
    r"(?:^|[^a-z0-9]|(?<=[a-z])(?=[A-Z]))(?i:ids?|uuid|idx|index|indices|no|num|number|seed|width|height|w|h|size|resolution|"
    r"pixels|bytes|steps?|iter|iteration|epoch|batch|shard|rank|gpu|worker|line|row|page|sample|timestamp|time|year|"
    r"status|code|error|tag|label|class|category)$"
)
_KINDS: dict[type, str] = {str: "text", bool: "true or false", list: "a list", dict: "an object"}
_NAMES_LISTED = 8


@dataclass(frozen=True)
class RewardKeys:
    """The metrics of a file.

    Attributes:
        metrics: key in the file -> metric id.
        notes: which names were changed, and what was passed over.
    """

    metrics: Mapping[str, str]
    notes: tuple[str, ...]


def reward_keys(rows: Rows, cards: Cards) -> RewardKeys:
    """Look through all rows; a key with a card is a metric whatever it is called.

    Raises:
        UserError: two keys would be one metric.
    """
    pairs = (zip(record, map(type, record.values()), strict=True) for record in rows.records)
    found: dict[str, Counter[type]] = {}
    for (key, kind), count in Counter(chain.from_iterable(pairs)).items():
        found.setdefault(key, Counter())[kind] = count
    about = {key for key, types in found.items() if _is_about(key, types)}
    odd = {key: types for key, types in found.items() if key not in about and _is_odd(key, types)}
    unknown = found.keys() - about - odd.keys() - cards.keys() - {*SEVEN_REWARDS}
    ids = [key for key in found if key in unknown and _ID.search(key) and _all_whole(rows.column(key))]
    metrics = {key: metric_id(key) for key in found if not (key in about or key in odd or key in ids)}
    taken: dict[str, str] = {}
    for key, metric in metrics.items():
        if taken.setdefault(metric, key) != key:
            raise UserError(f"{rows.path}: {taken[metric]!r} and {key!r} are both shown as {metric}; rename one")
    return RewardKeys(metrics, tuple(_notes(metrics, odd, ids)))


def metric_id(key: str) -> str:
    """What the metric under a key is called everywhere: on one line, and as no column of ours."""
    return shown_name(display_name(key))


def is_number(value: Any) -> bool:
    """A number of JSON's, which true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """What a value is that is no number, in words."""
    return _KINDS.get(type(value), type(value).__name__)


def _is_about(key: str, types: Counter[type]) -> bool:
    return key in ROW_KEYS or (key in ROW_WORDS and not (types[int] or types[float]))


def _is_odd(key: str, types: Counter[type]) -> bool:
    """No number and not merely null; under the name of a reward that is ours it is refused instead."""
    return key not in SEVEN_REWARDS and not (types[int] or types[float]) and types.keys() != {type(None)}


def _all_whole(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) or (isinstance(value, float) and value.is_integer()) for value in values)


def _notes(metrics: Mapping[str, str], odd: Mapping[str, Counter[type]], ids: Sequence[str]) -> Iterator[str]:
    if renamed := [f"{key} as {metric}" for key, metric in metrics.items() if display_name(key) != metric]:
        yield f"metrics with names of our columns are shown under others: {_listed(renamed)}"
    if odd:
        counted = [f"{key} ({_counted(types)})" for key, types in odd.items()]
        yield f"passed over, for there is no number under them: {_listed(counted)}"
    if ids:
        yield f"passed over, for whole numbers under such names are no scores: {_listed(ids)}"


def _counted(types: Counter[type]) -> str:
    return ", ".join(f"{_KINDS[kind]} in {rows:,} rows" for kind, rows in types.items() if kind in _KINDS)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_LISTED
    return ", ".join(map(display_name, names[:_NAMES_LISTED])) + (f" and {more:,} more" if more > 0 else "")

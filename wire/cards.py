"""How the numbers of a metric are to be read: the part of its card that travels with them.

A metric's facts stand in its scorer's file, and nowhere else. The worker's ``started`` event, ``run.json`` and saved
baselines carry this part of them, so that whoever reads the numbers later need not know the scorer.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from wire.reserved import shown_name

#: Version of a card's JSON form; it changes when a key changes its meaning or goes.
SCHEMA = "miro-eval/card/1"
#: What stands behind the name of a metric that is better when lower.
LOWER = "↓"
#: ``(x + 2) / 4``, ``x / 10``, ``x - 1``: MIRO's normalised forms, ``x`` being the raw number.
_NORMAL = re.compile(r"\(?x(?: (?P<sign>[+-]) (?P<offset>\d+(?:\.\d+)?))?\)?(?: / (?P<divisor>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """What one must know of a metric to read its numbers."""

    metric: str  #: id; names model and version
    title: str = ""  #: model and version in words; empty for the id
    definition: str = ""  #: the formula, in words and symbols
    scale: str  #: what the raw number is, with typical values where its authors or users state them
    #: Lower and upper bound of the raw number: what is beyond is of another scale, or a failure. Hard bounds where
    #: there are any, else far beyond what the weights give; None is unbounded.
    range: tuple[float | None, float | None] = (None, None)
    higher_is_better: bool | None  #: direction; None where nobody has said
    #: The form in which MIRO's training data carry the reward, e.g. ``(x + 2) / 4``; ``x`` is the raw number. Other
    #: words say that there is none.
    miro_normalised: str = ""
    upstream: str = ""  #: the metric's name in files of MIRO's own ``score_images.py``; empty where it is in none
    source: str = ""  #: paper and code
    over_samples: bool = False  #: it is of a prompt's images taken together, and depends on how many these are

    @property
    def name(self) -> str:
        """The title, or the id where there is none."""
        return self.title or self.metric

    @property
    def direction(self) -> str:
        """In words."""
        return {True: "higher is better", False: "lower is better", None: "direction unknown"}[self.higher_is_better]

    @property
    def lower(self) -> bool:
        """Whether lower is known to be better: the one case in which a table turns round."""
        return self.higher_is_better is False

    @property
    def label(self) -> str:
        """The id as the head of a column; an arrow tells of the unusual direction."""
        return f"{self.metric} {LOWER}" if self.lower else self.metric

    @property
    def bounds(self) -> str:
        """The range in words."""
        low, high = ("unbounded" if bound is None else f"{bound:g}" for bound in self.range)
        return low if low == high else f"{low} to {high}"

    @property
    def normal_form(self) -> tuple[float, float] | None:
        """MIRO's normalisation as (offset, divisor); None where the raw number is taken as it is, or not at all."""
        found = _NORMAL.fullmatch(self.miro_normalised)
        if found is None or not (found["offset"] or found["divisor"]):
            return None
        offset, divisor = float(f"{found['sign'] or ''}{found['offset'] or 0}"), float(found["divisor"] or 1)
        return (offset, divisor) if divisor else None

    @property
    def formula(self) -> str:
        """The normalisation in words, e.g. ``(raw + 2) / 4``; empty where there is none."""
        return self.miro_normalised.replace("x", "raw") if self.normal_form else ""

    def normalised(self, raw: float) -> float:
        """The value as MIRO's training sees it, mostly from 0 to 1."""
        offset, divisor = self.normal_form or (0.0, 1.0)
        return (raw + offset) / divisor

    def record(self) -> dict[str, Any]:
        """JSON's types."""
        facts = {field.name: getattr(self, field.name) for field in fields(MetricCard)}
        bounds = [None if bound in (None, -math.inf, math.inf) else bound for bound in self.range]
        return {"schema": SCHEMA, **facts, "range": bounds}


#: By metric id.
Cards = Mapping[str, MetricCard]
NO_CARDS: Cards = MappingProxyType({})


def card_of(metric: str, cards: Cards) -> MetricCard:
    """A metric's card; one that says so for a metric of which there is none."""
    unknown = MetricCard(metric=metric, scale="unknown metric id, values as found", higher_is_better=None)
    return cards.get(metric, unknown)


def records(cards: Cards) -> dict[str, Any]:
    """Cards as JSON, by metric id."""
    return {metric: card.record() for metric, card in cards.items()}


def read_cards(record: Any) -> dict[str, MetricCard]:
    """Cards from JSON; keys that this version does not know are passed over, names of ours are changed.
    Raises ValueError: not cards, or of another version.
    """
    if not isinstance(record, dict):
        raise ValueError("cards must be an object of metric id -> card")
    return {shown_name(metric): _read_card(metric, card) for metric, card in record.items()}


def _read_card(metric: str, record: Any) -> MetricCard:
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"card of {metric!r}: schema {schema!r}, this version reads {SCHEMA!r}")
    facts = {field.name: record[field.name] for field in fields(MetricCard) if field.name in record}
    bounds = facts.pop("range", [None, None])
    better, together = facts.pop("higher_is_better", None), facts.pop("over_samples", False)
    texts = all(isinstance(text, str) for text in facts.values()) and facts.get("metric") == metric
    flags = (better is None or isinstance(better, bool)) and isinstance(together, bool)
    if not texts or "scale" not in facts or not _is_range(bounds) or not flags:
        raise ValueError(f"card of {metric!r} is malformed")
    facts |= {"metric": shown_name(metric), "range": (bounds[0], bounds[1])}
    return MetricCard(**facts, higher_is_better=better, over_samples=together)


def _is_range(bounds: Any) -> bool:
    return (
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(
            bound is None or (isinstance(bound, (int, float)) and abs(bound) <= sys.float_info.max) for bound in bounds
        )
    )

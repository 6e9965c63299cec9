"""Cards as JSON, and what is read off them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wire.cards import MetricCard, card_of, read_cards, records

NOISE = MetricCard(
    metric="noise", scale="0 (clean) to 1", range=(0.0, None), higher_is_better=False, miro_normalised="(x - 0.5) / 2"
)


def test_cards_come_back_from_json_as_they_were() -> None:
    assert read_cards(json.loads(json.dumps(records({"noise": NOISE})))) == {"noise": NOISE}


def test_keys_of_later_versions_are_passed_over() -> None:
    assert read_cards({"noise": NOISE.record() | {"colour": "pink"}}) == {"noise": NOISE}


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"noise": None},
        {"noise": NOISE.record() | {"schema": "miro-eval/card/2"}},
        {"noise": NOISE.record() | {"metric": "other"}},
        {"noise": NOISE.record() | {"scale": 3}},
        {"noise": NOISE.record() | {"range": [0]}},
        {"noise": NOISE.record() | {"range": ["low", "high"]}},
        {"noise": NOISE.record() | {"range": [0, 10**400]}},
        {"noise": NOISE.record() | {"higher_is_better": "no"}},
    ],
)
def test_what_is_no_card_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="card"):
        read_cards(record)


@pytest.mark.parametrize(
    ("text", "form", "formula"),
    [
        ("(x + 2) / 4", (2.0, 4.0), "(raw + 2) / 4"),
        ("x / 10", (0.0, 10.0), "raw / 10"),
        ("x - 1.5", (-1.5, 1.0), "raw - 1.5"),
        ("x", None, ""),
        ("x / 0", None, ""),
        ("not a MIRO reward", None, ""),
        ("", None, ""),
    ],
)
def test_the_normal_form_is_read_from_its_words(text: str, form: tuple[float, float] | None, formula: str) -> None:
    card = MetricCard(metric="m", scale="", higher_is_better=True, miro_normalised=text)
    assert (card.normal_form, card.formula) == (form, formula)


def test_direction_label_and_bounds() -> None:
    assert (NOISE.direction, NOISE.label, NOISE.bounds) == ("lower is better", "noise ↓", "0 to unbounded")
    assert NOISE.normalised(1.5) == 0.5
    unknown = card_of("other", {"noise": NOISE})
    assert (unknown.direction, unknown.label, unknown.lower) == ("direction unknown", "other", False)

from __future__ import annotations

import pytest

from geneval.judge import JudgeOptions
from wire.protocol import UserError


def test_defaults_are_the_reference_implementations() -> None:
    assert JudgeOptions.from_mapping({}) == JudgeOptions(0.3, 0.9, 16, 1.0, 0.1)


def test_counting_has_its_own_threshold() -> None:
    options = JudgeOptions(confidence_threshold=0.25, counting_threshold=0.75)
    assert [options.threshold(tag) for tag in ("position", "counting")] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.3}, "unknown judge option 'threshold': choose from confidence_threshold, counting"),
        ({"confidence_threshold": 1.5}, "--confidence-threshold 1.5: expected a number from 0 to 1"),
        ({"max_overlap": float("nan")}, "--max-overlap nan: expected a number"),
        ({"max_objects": 0}, "--max-objects 0: expected a whole number, 1 or more"),
        ({"max_objects": 2.5}, "--max-objects 2.5: expected a whole number"),
        ({"position_threshold": "0.1"}, "--position-threshold '0.1': expected a number, 0 or more"),
        ({"position_threshold": True}, "--position-threshold True: expected a number"),
    ],
)
def test_bad_options_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        JudgeOptions.from_mapping(values)

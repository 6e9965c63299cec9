from __future__ import annotations

import json
from typing import Any

import pytest

from geneval.judge import check_metadata
from tests.shared_data import shared

DOG = {"class": "dog", "count": 1}


def test_the_official_suite_is_accepted() -> None:
    lines = shared("data/prompts/geneval_evaluation_metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [check_metadata(json.loads(line)) for line in lines] == [""] * 553


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"prompt": "a photo of a dog"}, 'no "tag"'),
        ({"tag": "x"}, 'no list "include"'),
        ({"include": [DOG], "tag": "x", "exclude": DOG}, '"exclude" is not a list'),
        ({"include": ["dog"], "tag": "x"}, "clause 'dog' is not an object"),
        (
            {"include": [{"class": "unicorn", "count": 1}], "tag": "x"},
            "class 'unicorn' is not one of the detector's 80",
        ),
        ({"include": [{"class": "dog"}], "tag": "x"}, "count None is not a whole number from 1"),
        ({"include": [DOG | {"count": True}], "tag": "x"}, "count True is not a whole number from 1"),
        ({"include": [DOG], "tag": "x", "exclude": [DOG | {"count": 0}]}, "count 0 is not a whole number from 1"),
        ({"include": [DOG | {"color": "mauve"}], "tag": "x"}, "color 'mauve' is not one of red, orange, yellow"),
        ({"include": [DOG, DOG | {"position": ["near", 0]}], "tag": "x"}, "position ['near', 0] is not [relation,"),
        ({"include": [DOG, DOG | {"position": ["above", 1]}], "tag": "x"}, "position ['above', 1] names no earlier"),
        ({"include": [DOG, DOG | {"position": ["above", -1]}], "tag": "x"}, "position ['above', -1] names no earlier"),
    ],
)
def test_what_is_wrong_is_said(metadata: dict[str, Any], fault: str) -> None:
    assert check_metadata(metadata).startswith(fault)

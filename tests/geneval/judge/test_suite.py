from __future__ import annotations

import json
from typing import Any

import pytest

from geneval.judge import check_metadata, normalise
from tests.shared_data import shared

DOG = {"class": "dog", "count": 1}


def test_the_official_suite_is_accepted() -> None:
    lines = shared("data/prompts/geneval_evaluation_metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [check_metadata(json.loads(line)) for line in lines] == [""] * 553


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"prompt": "a photo of a dog"}, 'no "tag"'),
        ({"tag": "mood", "include": [DOG]}, "tag 'mood' is not one of single_object, two_object, "),
        ({"tag": "colors"}, 'no list "include"'),
        ({"tag": "colors", "include": None}, 'no list "include"'),
        ({"tag": "colors", "include": "[]"}, '"include" is not a list'),
        ({"include": [None], "tag": "colors"}, "clause None is not an object"),
        (
            {"include": [{"class": "keyboard", "count": 1}], "tag": "colors"},
            "class 'keyboard' is not one of the detector's 80; GenEval says 'computer keyboard'",
        ),
        ({"include": [{"class": None, "count": 1}], "tag": "colors"}, "class None is not one of"),
        ({"include": [DOG | {"count": 1.5}], "tag": "colors"}, "count 1.5 is not a whole number from 1"),
        ({"include": [DOG | {"count": float("inf")}], "tag": "colors"}, "count inf is not a whole number from 1"),
        ({"include": [DOG], "tag": "colors", "exclude": DOG}, '"exclude" is not a list'),
        ({"include": ["dog"], "tag": "colors"}, "clause 'dog' is not an object"),
        (
            {"include": [{"class": "unicorn", "count": 1}], "tag": "colors"},
            "class 'unicorn' is not one of the detector's 80",
        ),
        ({"include": [{"class": "dog"}], "tag": "colors"}, "count None is not a whole number from 1"),
        ({"include": [DOG | {"count": True}], "tag": "colors"}, "count True is not a whole number from 1"),
        ({"include": [DOG], "tag": "colors", "exclude": [DOG | {"count": 0}]}, "count 0 is not a whole number from 1"),
        ({"include": [DOG | {"color": "mauve"}], "tag": "colors"}, "color 'mauve' is not one of red, orange, yellow"),
        (
            {"include": [DOG, DOG | {"position": ["near", 0]}], "tag": "colors"},
            "position ['near', 0] is not [relation,",
        ),
        (
            {"include": [DOG, DOG | {"position": ["above", 1]}], "tag": "colors"},
            "position ['above', 1] names no earlier",
        ),
        (
            {"include": [DOG, DOG | {"position": ["above", -1]}], "tag": "colors"},
            "position ['above', -1] names no earlier",
        ),
    ],
)
def test_what_is_wrong_is_said(metadata: dict[str, Any], fault: str) -> None:
    assert check_metadata(metadata).startswith(fault)


def test_null_is_absent_and_1_0_is_1() -> None:
    line = {
        "tag": "position",
        "include": [
            {"class": "dog", "count": 2.0, "color": None, "position": None},
            {"class": "cat", "count": 1, "color": "red", "position": ["above", 0.0]},
        ],
        "exclude": None,
        "prompt": "p",
    }
    plain = normalise(line)
    assert json.dumps(plain) == json.dumps(
        {
            "tag": "position",
            "include": [
                {"class": "dog", "count": 2},
                {"class": "cat", "count": 1, "color": "red", "position": ["above", 0]},
            ],
            "prompt": "p",
        }
    )
    assert check_metadata(line) == check_metadata(plain) == ""


def test_a_line_of_geneval_is_normal_already() -> None:
    lines = shared("data/prompts/geneval_evaluation_metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.dumps(normalise(json.loads(line))) for line in lines] == lines


def test_the_same_lines_in_other_tools_words() -> None:
    case = shared("cases/generation/16")
    for name in ("null_exclude.jsonl", "parquet_nulls.jsonl", "float_count.jsonl"):
        lines = [json.loads(line) for line in (case / name).read_text(encoding="utf-8").splitlines()]
        assert [check_metadata(line) for line in lines] == [""] * 6
    lines = [json.loads(line) for line in (case / "one_bad_of_six.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [bool(check_metadata(line)) for line in lines] == [False] * 5 + [True]

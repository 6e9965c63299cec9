"""A real, complete result file of another project, decided again from its boxes."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import pytest

from geneval.judge import JudgeOptions, boxes_from_details, check_metadata, colors_needed, judge
from tests.judge import select_objects
from tests.shared_data import shared

#: Correct images and images of each tag, as published with the file (open-compass/GenEditEvalKit).
PUBLISHED = {
    "single_object": (316, 320),
    "two_object": (297, 396),
    "counting": (146, 320),
    "colors": (333, 376),
    "position": (49, 400),
    "color_attr": (97, 400),
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    lines = shared("data/geneval/genediteval_results.jsonl").read_text(encoding="utf-8").splitlines()
    return [row | {"metadata": json.loads(row["metadata"])} for row in map(json.loads, lines)]


def told_colors(row: dict[str, Any], needed: dict[str, int]) -> dict[str, list[str]]:
    """The color answers that a row implies: those in its reason, else the colors wanted."""
    told = {clause["class"]: [clause["color"]] for clause in row["metadata"]["include"] if clause["class"] in needed}
    for name, color in re.findall(r"expected \w+ (.+?)>=1, found 0 \w+; and 1 (\w+)", row["reason"]):
        told[name] = [color]
    return told


def relations_as_set(reason: str) -> list[Any]:
    """A reason's lines; the relations found, which the file has in no defined order, as a set."""
    lines = [line.partition(", found ") for line in reason.split("\n")]
    return [(head, frozenset(tail.removesuffix(" target").split(" and "))) for head, _, tail in lines]


def decide(row: dict[str, Any]) -> tuple[bool, str]:
    objects = select_objects(boxes_from_details(row["details"]), row["tag"], JudgeOptions())
    colors = told_colors(row, colors_needed(objects, row["metadata"]))
    verdict = judge(objects, row["metadata"], colors, JudgeOptions())
    return verdict.correct, verdict.reason


def test_metadata_is_accepted(rows: list[dict[str, Any]]) -> None:
    assert {check_metadata(row["metadata"]) for row in rows} == {""}


def test_selection_keeps_the_stored_boxes_in_their_order(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        kept = select_objects(boxes_from_details(row["details"]), row["tag"], JudgeOptions())
        assert json.dumps(kept) == row["details"]


def test_every_row_is_decided_as_published(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        correct, reason = decide(row)
        assert (correct, relations_as_set(reason)) == (row["correct"], relations_as_set(row["reason"])), row["filename"]


def test_scores_are_the_published_ones(rows: list[dict[str, Any]]) -> None:
    verdicts = defaultdict(list)
    for row in rows:
        verdicts[row["tag"]].append(decide(row)[0])
    assert {tag: (sum(found), len(found)) for tag, found in verdicts.items()} == PUBLISHED
    overall = sum(sum(found) / len(found) for found in verdicts.values()) / len(verdicts)
    assert overall == pytest.approx(0.57406, abs=5e-6)


def test_other_thresholds_decide_otherwise(rows: list[dict[str, Any]]) -> None:
    strict = JudgeOptions(confidence_threshold=0.95)
    plain = [row for row in rows if row["tag"] == "two_object"]
    boxes = [select_objects(boxes_from_details(row["details"]), row["tag"], strict) for row in plain]
    correct = sum(judge(found, row["metadata"], {}, strict).correct for found, row in zip(boxes, plain, strict=True))
    assert 0 < correct < PUBLISHED["two_object"][0]

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import assume, event, given
from hypothesis import strategies as st

from geneval.judge import Box, JudgeOptions, colors_needed, judge, relations
from geneval.rejudge import rejudge
from tests.judge import select_objects
from tests.judge.strategies import CLASSES, DETECTIONS, OPTIONS, boxes, prompts
from wire.vocabulary import COLORS

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
Objects = Mapping[str, Sequence[Box]]


def move(box: Box, x: int, y: int) -> Box:
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y, box.score)


@given(boxes(), boxes())
def test_relations_are_seen_from_the_other_side_too(a: Box, b: Box) -> None:
    there, back = relations(a, b, 0.1), relations(b, a, 0.1)
    assert {OPPOSITE[name] for name in there} == set(back)
    assert not {OPPOSITE[name] for name in there} & set(there)


@given(boxes(), boxes(), st.integers(-500, 500), st.integers(-500, 500))
def test_relations_do_not_depend_on_where_the_image_begins(a: Box, b: Box, x: int, y: int) -> None:
    assert relations(move(a, x, y), move(b, x, y), 0.1) == relations(a, b, 0.1)


@given(boxes(), st.integers(0, 60), st.sampled_from([0.0, 0.1, 1.0]))
def test_one_center_names_no_relation(box: Box, margin: int, threshold: float) -> None:
    around = Box(box.x0 - margin, box.y0 - margin, box.x1 + margin, box.y1 + margin, 1.0)
    assert relations(box, around, threshold) == ()


@given(boxes(), boxes())
def test_a_larger_margin_never_adds_a_relation(a: Box, b: Box) -> None:
    assert set(relations(a, b, 0.2)) <= set(relations(a, b, 0.1)) <= set(relations(a, b, 0.0))


@given(boxes(), st.integers(1, 400))
def test_a_point_lies_where_it_lies(box: Box, distance: int) -> None:
    point = Box(box.x0, box.y0, box.x0, box.y0, 1.0)
    assert relations(move(point, distance, 0), point, 0.1) == ("right of",)
    assert relations(move(point, 0, -distance), point, 0.1) == ("above",)
    assert set(relations(move(point, distance, distance), point, 0.1)) == {"right of", "below"}


@given(prompts(), DETECTIONS, OPTIONS)
def test_a_verdict_is_right_just_when_it_has_no_reason(
    metadata: dict[str, Any], objects: Objects, options: JudgeOptions
) -> None:
    verdict = judge(objects, metadata, {}, options)
    event(f"correct: {verdict.correct}")
    assert verdict.correct is (verdict.reason == "")
    assert judge(dict(reversed(objects.items())), metadata, {}, options) == verdict


@given(prompts())
def test_nothing_found(metadata: dict[str, Any]) -> None:
    reason = judge({}, metadata, {}, JudgeOptions()).reason
    assert reason.split("\n") == [f"expected {c['class']}>={c['count']}, found 0" for c in metadata["include"]]


@given(prompts(), DETECTIONS)
def test_clauses_without_positions_are_just_counted(metadata: dict[str, Any], objects: Objects) -> None:
    plain = {key: [{"class": c["class"], "count": c["count"]} for c in metadata[key]] for key in ("include", "exclude")}
    enough = all(len(objects.get(c["class"], ())) >= c["count"] for c in plain["include"])
    few = all(len(objects.get(c["class"], ())) < c["count"] for c in plain["exclude"])
    assert judge(objects, plain, {}, JudgeOptions()).correct is (enough and few)


@given(CLASSES, st.integers(1, 4), st.lists(boxes(), max_size=6))
def test_a_class_both_wanted_and_excluded(name: str, count: int, found: list[Box]) -> None:
    clause = {"class": name, "count": count}
    metadata = {"include": [clause], "exclude": [clause | {"count": count + 1}]}
    assert judge({name: found}, metadata, {}, JudgeOptions()).correct is (len(found) == count)


@given(CLASSES, CLASSES, st.sampled_from(sorted(OPPOSITE)), st.lists(boxes(), min_size=1, max_size=3))
def test_a_missing_target_group(target: str, name: str, relation: str, found: list[Box]) -> None:
    assume(target != name)
    include = [{"class": target, "count": 1}, {"class": name, "count": 1, "position": [relation, 0]}]
    reason = judge({name: found}, {"include": include}, {}, JudgeOptions()).reason
    assert reason == f"expected {target}>=1, found 0\nno target for {name} to be {relation}"


@given(CLASSES, st.lists(boxes(), min_size=1, max_size=3), st.sampled_from(sorted(OPPOSITE)))
def test_one_class_twice_means_the_same_objects(name: str, found: list[Box], relation: str) -> None:
    include = [{"class": name, "count": 1}, {"class": name, "count": 1, "position": [relation, 0]}]
    assert not judge({name: found}, {"include": include}, {}, JudgeOptions()).correct


def stored(metadata: dict[str, Any], objects: Objects, options: JudgeOptions, chance: Any) -> dict[str, Any]:
    """A row of ours for these detections, with color answers drawn by chance."""
    kept = select_objects(objects, metadata["tag"], options)
    needed = colors_needed(kept, metadata)
    answers = {name: [chance.choice(COLORS) for _ in range(count)] for name, count in needed.items()}
    verdict = judge(kept, metadata, answers, options)
    one_hot = {name: [[float(color == c) for c in COLORS] for color in found] for name, found in answers.items()}
    texts = {"metadata": json.dumps(metadata), "details": json.dumps(kept)}
    fixed = {"filename": "00000/samples/0000.png", "tag": metadata["tag"], "prompt": "", "status": "scored"}
    return fixed | texts | {"correct": verdict.correct, "reason": verdict.reason, "colors": one_hot}


@given(prompts(colors=True), DETECTIONS, OPTIONS, st.randoms(use_true_random=False))
def test_a_stored_row_is_decided_again_as_it_was(
    metadata: dict[str, Any], objects: Objects, options: JudgeOptions, chance: Any
) -> None:
    row = stored(metadata, objects, options, chance)
    again = rejudge(row, options)
    assert {key: again[key] for key in row} == row
    assert rejudge(again, options) == again


@given(prompts(colors=True), DETECTIONS, OPTIONS, st.randoms(use_true_random=False))
def test_a_row_decided_again_is_the_row_of_stricter_options(
    metadata: dict[str, Any], objects: Objects, options: JudgeOptions, chance: Any
) -> None:
    row = stored(metadata, objects, JudgeOptions(0.25, 0.5, 24), chance)
    again = rejudge(row, options)
    kept = select_objects(objects, metadata["tag"], options)
    assert json.loads(again["details"]) == json.loads(json.dumps(kept))
    event(f"status: {again['status']}")
    if again["status"] == "scored" and not colors_needed(kept, metadata):
        assert again["correct"] is judge(kept, metadata, {}, options).correct


@given(prompts(colors=True), DETECTIONS, OPTIONS, st.randoms(use_true_random=False))
def test_the_row_of_another_tool_keeps_its_verdict(
    metadata: dict[str, Any], objects: Objects, options: JudgeOptions, chance: Any
) -> None:
    row = stored(metadata, objects, options, chance)
    foreign = {key: value for key, value in row.items() if key not in ("colors", "status")}
    again = rejudge(foreign, options)
    assert again["status"] == "unscored" or (again["correct"], again["reason"]) == (row["correct"], row["reason"])
    event(f"source: {again['color_source']}, {again['status']}")

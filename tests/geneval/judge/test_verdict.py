from __future__ import annotations

from typing import Any

import pytest

from geneval.judge import Box, JudgeOptions, Verdict, colors_needed, judge

LEFT, RIGHT, TOP = Box(0, 40, 20, 60, 0.9), Box(80, 40, 100, 60, 0.8), Box(40, 0, 60, 20, 0.7)


def prompt(*include: dict[str, Any], exclude: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"include": list(include)} | ({"exclude": exclude} if exclude else {})


def want(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": count, **more}


def decide(
    metadata: dict[str, Any], objects: dict[str, list[Box]], colors: dict[str, list[str]] | None = None
) -> Verdict:
    return judge(objects, metadata, colors or {}, JudgeOptions())


def test_an_object_that_is_there() -> None:
    assert decide(prompt(want("dog")), {"dog": [LEFT]}) == Verdict(True, "")


def test_too_few_objects() -> None:
    assert decide(prompt(want("dog", 3)), {"dog": [LEFT, TOP]}).reason == "expected dog>=3, found 2"


def test_every_failing_clause_has_a_line() -> None:
    verdict = decide(prompt(want("dog"), want("cat")), {"cow": [LEFT]})
    assert verdict == Verdict(False, "expected dog>=1, found 0\nexpected cat>=1, found 0")


def test_too_many_objects() -> None:
    metadata = prompt(want("dog", 2), exclude=[want("dog", 3)])
    assert decide(metadata, {"dog": [LEFT, TOP]}).correct
    assert decide(metadata, {"dog": [LEFT, TOP, RIGHT]}) == Verdict(False, "expected dog<3, found 3")


def test_a_color_that_is_right() -> None:
    assert decide(prompt(want("dog", color="red")), {"dog": [LEFT]}, {"dog": ["red"]}).correct


def test_a_color_that_is_wrong_is_tallied_in_the_vocabularys_order() -> None:
    objects = {"dog": [LEFT, RIGHT, TOP]}
    verdict = decide(prompt(want("dog", 3, color="red")), objects, {"dog": ["white", "red", "white"]})
    assert verdict.reason == "expected red dog>=3, found 1 red; and 1 red, 2 white"


def test_only_the_first_objects_are_asked_for_their_color() -> None:
    metadata = prompt(want("dog", color="red"), want("cat", 2, color="blue"), want("cow"), want("dog", 2, color="red"))
    objects = {"dog": [LEFT, RIGHT, TOP], "cat": [LEFT], "cow": [TOP]}
    assert colors_needed(objects, metadata) == {"dog": 2}
    assert decide(prompt(want("dog", color="red")), objects, {"dog": ["red", "blue"]}).correct


def test_a_missing_color_answer_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        decide(prompt(want("dog", color="red")), {"dog": [LEFT]})


def test_position() -> None:
    metadata = prompt(want("dog"), want("cat", position=["left of", 0]))
    assert decide(metadata, {"dog": [RIGHT], "cat": [LEFT]}).correct
    wrong = decide(metadata, {"dog": [LEFT], "cat": [RIGHT]})
    assert wrong.reason == "expected cat left of target, found right of target"


def test_position_that_holds_beside_another() -> None:
    metadata = prompt(want("dog"), want("cat", position=["above", 0]))
    assert decide(metadata, {"dog": [LEFT], "cat": [TOP]}).correct  # right of and above
    reason = decide(metadata, {"dog": [TOP], "cat": [LEFT]}).reason
    assert reason == "expected cat above target, found left of and below target"


def test_no_relation_leaves_the_name_empty() -> None:
    metadata = prompt(want("dog"), want("cat", position=["above", 0]))
    assert decide(metadata, {"dog": [LEFT], "cat": [LEFT]}).reason == "expected cat above target, found  target"


def test_position_without_its_target() -> None:
    metadata = prompt(want("dog"), want("cat", position=["above", 0]))
    assert decide(metadata, {"cat": [TOP]}).reason == "expected dog>=1, found 0\nno target for cat to be above"


def test_position_needs_every_pair_and_stops_at_the_first_that_fails() -> None:
    metadata = prompt(want("dog", 2), want("cat", 2, position=["above", 0]))
    verdict = decide(metadata, {"dog": [LEFT, RIGHT], "cat": [TOP, RIGHT]})
    assert verdict == Verdict(False, "expected cat above target, found right of target")


def test_position_is_not_asked_after_a_wrong_color() -> None:
    metadata = prompt(want("dog"), want("cat", color="red", position=["above", 0]), want("cow", position=["below", 1]))
    verdict = decide(metadata, {"dog": [LEFT], "cat": [RIGHT], "cow": [TOP]}, {"cat": ["blue"]})
    lines = ["expected red cat>=1, found 0 red; and 1 blue", "no target for cow to be below"]
    assert verdict == Verdict(False, "\n".join(lines))

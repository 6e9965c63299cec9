from __future__ import annotations

from geneval.judge import Box, JudgeOptions, select
from geneval.judge.boxes import single
from tests.judge import select_objects


def boxes(*scores: float) -> list[Box]:
    return [Box(10.0 * i, 0.0, 10.0 * i + 5, 5.0, score) for i, score in enumerate(scores)]


def test_best_first() -> None:
    assert select(boxes(0.5, 0.9, 0.7), 0.3, JudgeOptions()) == [1, 2, 0]


def test_among_equal_scores_the_later_comes_first() -> None:
    assert select(boxes(0.5, 0.7, 0.5, 0.5), 0.3, JudgeOptions()) == [1, 3, 2, 0]


def test_a_score_must_exceed_the_threshold_in_single_precision() -> None:
    # float32(0.3) is above 0.3 in double precision; the reference implementation compares float32 with float32.
    assert single(0.3) > 0.3
    assert select(boxes(single(0.3), 0.30001, 0.3), 0.3, JudgeOptions()) == [1]


def test_the_number_of_objects_is_limited_to_the_best() -> None:
    scores = [0.4 + 0.01 * i for i in range(20)]
    assert select(boxes(*scores), 0.3, JudgeOptions()) == list(range(19, 3, -1))
    assert select(boxes(*scores), 0.3, JudgeOptions(max_objects=2)) == [19, 18]


def test_overlapping_detections_are_dropped_only_when_asked() -> None:
    twins = [Box(0, 0, 9, 9, 0.9), Box(0, 0, 9, 9, 0.8), Box(0, 0, 9, 4, 0.7), Box(50, 50, 59, 59, 0.6)]
    assert select(twins, 0.3, JudgeOptions()) == [0, 1, 2, 3]
    assert select(twins, 0.3, JudgeOptions(max_overlap=0.99)) == [0, 2, 3]
    assert select(twins, 0.3, JudgeOptions(max_overlap=0.5)) == [0, 3]  # IoU is 0.5 exactly: it reaches the limit


def test_the_limit_on_objects_comes_before_the_overlap_filter() -> None:
    twins = [Box(0, 0, 9, 9, 0.9), Box(0, 0, 9, 9, 0.8), Box(50, 50, 59, 59, 0.6)]
    assert select(twins, 0.3, JudgeOptions(max_objects=2, max_overlap=0.5)) == [0]


def test_classes_without_objects_are_left_out() -> None:
    found = {"dog": boxes(0.2), "cat": boxes(0.4, 0.95), "cow": []}
    assert list(select_objects(found, "colors", JudgeOptions())) == ["cat"]
    assert [box.score for box in select_objects(found, "colors", JudgeOptions())["cat"]] == [0.95, 0.4]
    assert [box.score for box in select_objects(found, "counting", JudgeOptions())["cat"]] == [0.95]

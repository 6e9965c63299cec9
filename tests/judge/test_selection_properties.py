from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geneval.judge import Box, JudgeOptions, overlap, select
from tests.judge.strategies import FOUND, OPTIONS, boxes


def reference(found: list[Box], threshold: float, limit: int) -> list[int]:
    """The reference implementation's lines, on its (detections, 5) array; its sort was given a kind: see below."""
    bbox = np.array(found, np.float32).reshape(-1, 5)
    ordering = np.argsort(bbox[:, 4], kind="stable")[::-1]
    ordering = ordering[bbox[ordering, 4] > threshold]
    return [int(index) for index in ordering[:limit]]


@given(st.lists(boxes(), max_size=100), st.sampled_from([1, 3, 16]))
def test_equal_scores_are_in_the_order_of_a_stable_sort_read_backwards(found: list[Box], limit: int) -> None:
    kept = select(found, 0.3, JudgeOptions(max_objects=limit))
    assert kept == reference(found, 0.3, limit)
    assert kept == sorted(kept, key=lambda index: (-found[index].score, -index))


@given(st.lists(boxes(), max_size=100), st.sampled_from([1, 3, 16]))
def test_the_references_own_sort_leaves_only_the_order_of_equal_scores_open(found: list[Box], limit: int) -> None:
    # numpy's default sort is not stable: which of two equal scores comes first depends on the processor.
    scores = np.array([box.score for box in found], np.float32)
    theirs = [index for index in np.argsort(scores)[::-1] if scores[index] > 0.3][:limit]
    assert [scores[index] for index in select(found, 0.3, JudgeOptions(max_objects=limit))] == [*scores[theirs]]


def ranked(found: list[Box], threshold: float, limit: int) -> list[int]:
    """What counts before overlaps are looked at, in numpy's words: stable sort, read backwards."""
    scores = np.array([box.score for box in found], np.float32)
    order = np.argsort(scores, kind="stable")[::-1]
    return [int(i) for i in order if scores[i] > np.float32(threshold)][:limit]


@given(FOUND, OPTIONS)
def test_without_an_overlap_limit_the_best_are_kept(found: list[Box], options: JudgeOptions) -> None:
    plain = JudgeOptions(max_objects=options.max_objects)
    threshold = options.confidence_threshold
    assert select(found, threshold, plain) == ranked(found, threshold, options.max_objects)


@given(FOUND, OPTIONS)
def test_the_overlap_limit_is_greedy_from_the_best_on(found: list[Box], options: JudgeOptions) -> None:
    candidates = ranked(found, options.confidence_threshold, options.max_objects)
    kept = select(found, options.confidence_threshold, options)
    assert kept == [index for index in candidates if index in kept]
    assert kept[:1] == candidates[:1]
    if options.max_overlap == 1:
        return
    for rank, index in enumerate(candidates):
        better = [other for other in candidates[:rank] if other in kept]
        crowded = any(overlap(found[other], found[index]) >= options.max_overlap for other in better)
        assert (index in kept) is not crowded


@given(FOUND)
def test_no_detection_at_the_threshold_counts(found: list[Box]) -> None:
    kept = select(found, 0.5, JudgeOptions())
    assert all(found[index].score > 0.5 for index in kept)
    assert len(kept) == len(set(kept)) == min(16, sum(box.score > 0.5 for box in found))


@given(boxes(), boxes())
def test_overlap_is_a_symmetric_share(a: Box, b: Box) -> None:
    assert 0 <= overlap(a, b) == overlap(b, a) <= 1
    assert overlap(a, a) == 1  # a point covers the one pixel it lies in
    far = Box(a.x0 + 1000, a.y0, a.x1 + 1000, a.y1, a.score)
    assert overlap(a, far) == 0


@given(*[st.integers(-20, 60)] * 2, *[st.integers(0, 40)] * 2, st.integers(0, 3))
def test_overlap_counts_pixels(left: int, right: int, width: int, length: int, rows: int) -> None:
    a, b = Box(left, 0, left + width, rows, 1.0), Box(right, 0, right + length, rows, 1.0)
    pixels = [{(x, y) for x in range(int(c.x0), int(c.x1) + 1) for y in range(rows + 1)} for c in (a, b)]
    assert overlap(a, b) == np.float32(len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1]))

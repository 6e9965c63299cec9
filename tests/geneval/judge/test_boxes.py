from __future__ import annotations

from typing import Any

import pytest

from geneval.judge import Box, boxes_from_details, overlap, relations

TARGET = Box(40, 40, 60, 60, 1.0)


def at(x: float, y: float, side: float = 20) -> Box:
    """A square around a center."""
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2, 1.0)


@pytest.mark.parametrize(
    ("center", "expected"),
    [
        ((10, 50), ("left of",)),
        ((90, 50), ("right of",)),
        ((50, 10), ("above",)),
        ((50, 90), ("below",)),
        ((10, 10), ("left of", "above")),
        ((90, 90), ("right of", "below")),
        ((50, 50), ()),
    ],
)
def test_relations_of_equal_squares(center: tuple[float, float], expected: tuple[str, ...]) -> None:
    assert relations(at(*center), TARGET, 0.1) == expected


def test_an_offset_within_a_tenth_of_the_sizes_names_nothing() -> None:
    assert relations(at(54, 50), TARGET, 0.1) == ()  # 4 pixels, and 0.1 x (20 + 20) = 4
    assert relations(at(58, 50), TARGET, 0.1) == ()  # (8 - 4) / 8 is not above a half
    assert relations(at(59, 50), TARGET, 0.1) == ("right of",)


def test_the_direction_is_relative_to_the_offset_before_it_shrank() -> None:
    # 10 - 4 = 6 of a length of sqrt(200) = 14.1 on both axes: 0.42 names nothing, though both axes are equal.
    assert relations(at(60, 60), TARGET, 0.1) == ()
    assert relations(at(60, 60), TARGET, 0.0) == ("right of", "below")


def test_a_box_without_area_has_a_center() -> None:
    assert relations(Box(0, 50, 0, 50, 1.0), TARGET, 0.1) == ("left of",)


def test_relations_equal_single_precision_arrays() -> None:
    np = pytest.importorskip("numpy")
    corners = np.sort(np.random.default_rng(0).integers(0, 1025, (4000, 2, 2, 2)), axis=2)  # image, a|b, corner, axis
    for pair in corners:
        a, b = (Box(*map(float, box.reshape(4)), 1.0) for box in pair)
        assert relations(a, b, 0.1) == in_arrays(np, pair.astype(np.float32), 0.1)


def in_arrays(np: Any, pair: Any, threshold: float) -> tuple[str, ...]:
    """The same rule on float32 arrays, as numpy rounds them."""
    offset = pair[0].mean(axis=0) - pair[1].mean(axis=0)
    sizes = np.abs(pair[:, 1] - pair[:, 0]).sum(axis=0)
    shrunk = np.maximum(np.abs(offset) - threshold * sizes, 0) * np.sign(offset)
    if (np.abs(shrunk) < 1e-3).all():
        return ()
    dx, dy = shrunk / np.linalg.norm(offset)
    named = (("left of", -dx), ("right of", dx), ("above", -dy), ("below", dy))
    return tuple(name for name, component in named if component > 0.5)


def test_overlap_counts_both_corners() -> None:
    assert overlap(Box(0, 0, 9, 9, 1), Box(0, 0, 9, 9, 1)) == 1
    assert overlap(Box(0, 0, 9, 9, 1), Box(9, 9, 18, 18, 1)) == pytest.approx(1 / 199)
    assert overlap(Box(0, 0, 9, 9, 1), Box(10, 0, 19, 9, 1)) == 0
    assert overlap(Box(0, 0, -1, 9, 1), Box(0, 0, -1, 9, 1)) == 0


def test_details_come_back_in_the_detectors_order() -> None:
    details = '{"dog": [[0.0, 1.0, 2.0, 3.0, 0.9], [4.0, 5.0, 6.0, 7.0, 0.5]]}'
    assert boxes_from_details(details) == {"dog": [Box(4, 5, 6, 7, 0.5), Box(0, 1, 2, 3, 0.9)]}

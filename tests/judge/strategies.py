"""Boxes, detections and prompts for property tests: ties, points, and boxes that leave the image are common."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from geneval.judge import Box, JudgeOptions
from wire.vocabulary import COLORS, OBJECT_CLASSES

#: No examples are kept on disk; slow machines are not failures.
settings.register_profile("judge", database=None, deadline=None, derandomize=True, max_examples=120)
settings.load_profile("judge")

#: Whole pixels, some outside the image on either side; single precision computes with them exactly.
PIXELS = st.integers(-40, 300)
#: Few values, so that ties and scores just at a threshold are common; all are exact in single precision.
SCORES = st.sampled_from([0.0, 0.25, 0.296875, 0.3125, 0.5, 0.75, 0.890625, 0.90625, 1.0])
CLASSES = st.sampled_from(OBJECT_CLASSES[:4])


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """A detection; one in some has no width or no height."""
    x0, y0 = draw(PIXELS), draw(PIXELS)
    width, height = draw(st.integers(0, 120)), draw(st.integers(0, 120))
    return Box(x0, y0, x0 + width, y0 + height, draw(SCORES))


#: Up to 24 detections of one class: more than the 16 that are kept.
FOUND = st.lists(boxes(), max_size=24)
DETECTIONS = st.dictionaries(CLASSES, st.lists(boxes(), max_size=5), max_size=4)
OPTIONS = st.builds(
    JudgeOptions,
    confidence_threshold=st.sampled_from([0.25, 0.3, 0.5]),
    counting_threshold=st.sampled_from([0.5, 0.9]),
    max_objects=st.sampled_from([1, 3, 16]),
    max_overlap=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    position_threshold=st.sampled_from([0.0, 0.1, 1.0]),
)


@st.composite
def prompts(draw: st.DrawFn, colors: bool = False) -> dict[str, Any]:
    """A line of a suite: one to four include clauses, repeated classes among them, and exclude clauses."""
    include = [draw(_clause(index, colors)) for index in range(draw(st.integers(1, 4)))]
    exclude = draw(st.lists(_plain(), max_size=2))
    return {
        "tag": draw(st.sampled_from(["counting", "position"])),
        "include": include,
        "exclude": exclude,
        "prompt": "",
    }


def _plain() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"class": CLASSES, "count": st.integers(1, 4)})


@st.composite
def _clause(draw: st.DrawFn, index: int, colors: bool) -> dict[str, Any]:
    clause = draw(_plain())
    if index and draw(st.booleans()):
        relation = draw(st.sampled_from(["left of", "right of", "above", "below"]))
        clause["position"] = [relation, draw(st.integers(0, index - 1))]
    if colors and draw(st.booleans()):
        clause["color"] = draw(st.sampled_from(COLORS))
    return clause

"""GenEval's verdicts as pure functions of boxes, color answers and prompt metadata; standard library only.

    kept = select(boxes, threshold, options)           which detections of a class count
    needed = colors_needed(objects, metadata)          which of them need a color answer
    verdict = judge(objects, metadata, colors, options)

Comparisons round to single precision where the reference implementation works on float32 arrays: stored boxes
and scores are float32 values, so that a verdict decided again from them is the same verdict.
"""

from geneval.judge.boxes import (
    Box,
    JudgeOptions,
    boxes_from_details,
    json_value,
    overlap,
    relations,
    select,
    select_each,
)
from geneval.judge.suite import check_metadata, is_for_geneval, normalise
from geneval.judge.verdict import Verdict, color_names, colors_needed, implied_colors, judge

__all__ = [
    "Box", "JudgeOptions", "Verdict", "boxes_from_details", "check_metadata", "color_names", "colors_needed",
    "implied_colors", "is_for_geneval", "json_value", "judge", "normalise", "overlap", "relations", "select",
    "select_each",
]  # fmt: skip

"""From Mask2Former's raw outputs to detections, as mmdet's ``MaskFormerFusionHead.instance_postprocess`` defines them.

The best (query, class) pairs are taken by class score; a pair's score is its class score times the mean probability
of the pixels in its mask. The result is bit-equal to mmdet's, but only what can pass ``floor`` is computed, and each
query's mask once although several classes may share it: of the hundred masks that mmdet brings to the image's size,
few are ever used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geneval.detectors.base import Detections
from geneval.detectors.resize import Size
from geneval.judge import Box

#: A pair's score exceeds its class score by rounding at most; single precision rounds a mean of probabilities to
#: about 1e-7.
ROUNDING = 1e-4


@dataclass(frozen=True)
class RawOutput:
    """What the network says of one image.

    Attributes:
        classes: logits of shape (queries, classes + 1), the last for "no object".
        masks: logits of shape (queries, height / 4, width / 4) of the padded input.
        padded: size of the network's input.
        resized: size of the image within it.
        original: size of the image itself.
    """

    classes: Any
    masks: Any
    padded: Size
    resized: Size
    original: Size


def find_instances(raw: RawOutput, max_per_image: int, floor: float) -> Detections:
    """The best ``max_per_image`` (query, class) pairs that can exceed ``floor``, in mmdet's order.

    Scores at or below ``floor`` may be among them.
    """
    scores = raw.classes.softmax(dim=-1)[:, :-1]
    best, pairs = scores.flatten(0, 1).topk(max_per_image, sorted=False)
    possible = best > floor - ROUNDING
    best, pairs = best[possible], pairs[possible]
    labels, queries = pairs % scores.shape[1], pairs // scores.shape[1]
    used, places = queries.unique(return_inverse=True)
    masks, certainty, corners = _masks(raw, used)
    found = (best * certainty[places]).tolist()
    boxes = [Box(*corner, score) for corner, score in zip(corners[places].tolist(), found, strict=True)]
    return Detections(labels.tolist(), boxes, masks[places])


def _masks(raw: RawOutput, queries: Any) -> tuple[Any, Any, Any]:
    """Of each query: its pixels (bool), the mean probability in them, its box (x0, y0, x1, y1)."""
    if not len(queries):
        nothing = raw.masks.new_zeros((0, *raw.original), dtype=bool)
        return nothing, raw.masks.new_zeros(0), raw.masks.new_zeros((0, 4))
    # torch sums a single row in another order than the rows of a matrix: one query is computed twice.
    rows = queries.repeat(2) if len(queries) == 1 else queries
    logits = _at_original_size(raw, rows)
    inside = logits > 0
    weights = inside.float()
    certainty = (logits.sigmoid() * weights).flatten(1).sum(1) / (weights.flatten(1).sum(1) + 1e-6)
    kept = slice(len(queries))
    return inside[kept], certainty[kept], _enclosing(inside[kept])


def _at_original_size(raw: RawOutput, queries: Any) -> Any:
    """Mask logits of shape (queries, height, width): to the input's size, less the padding, to the image's size."""
    from torch.nn.functional import interpolate

    settings = {"mode": "bilinear", "align_corners": False}
    large = interpolate(raw.masks[None, queries], size=tuple(raw.padded), **settings)[0]
    image = large[:, : raw.resized.height, : raw.resized.width]
    return interpolate(image[:, None], size=tuple(raw.original), **settings)[:, 0]


def _enclosing(masks: Any) -> Any:
    """Boxes (n, 4) around masks (n, height, width), the far corner outside; zeros for an empty mask."""
    import torch

    columns, rows = masks.any(dim=1), masks.any(dim=2)
    ends = [_ends(line) for line in (columns, rows)]
    corners = torch.stack([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], dim=1).float()
    return corners * columns.any(dim=1)[:, None]


def _ends(lines: Any) -> tuple[Any, Any]:
    """First true place of each line (n, length), and the one after the last."""
    marks = lines.int()
    return marks.argmax(dim=1), lines.shape[1] - marks.flip(1).argmax(dim=1)

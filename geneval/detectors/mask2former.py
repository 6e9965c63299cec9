"""What the two implementations of Mask2Former share: from prepared images to detections.

Post-processing is that of mmdet's ``MaskFormerFusionHead.instance_postprocess``. The best (query, class) pairs are
taken by class score; a pair's score is its class score times the mean probability of the pixels in its mask. The result
is bit-equal to mmdet's, but only what can pass a floor is computed, and each query's mask once although several classes
may share it: of the hundred masks that mmdet brings to the image's size, few are ever used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.functional import interpolate

from geneval.detectors import Detections, Size
from geneval.judge import Box
from wire.grouping import grouped

#: mmdet's own config of the model that GenEval's reference implementation uses.
CONFIG = "mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"
#: A pair's score exceeds its class score by rounding at most; single precision rounds a mean of probabilities to
#: about 1e-7.
ROUNDING = 1e-4
#: Small layers whose outputs decide: classes, masks, and where deformable attention looks. They stay in fp32.
_DECIDING = ("cls_embed", "class_predictor", "mask_embed", "sampling_offsets")


@dataclass(frozen=True)
class RawOutput:
    """What the network says of one image."""

    #: Logits of shape (queries, classes + 1), the last for "no object".
    classes: Any
    #: Logits of shape (queries, height / 4, width / 4) of the padded input.
    masks: Any
    #: Sizes of the network's input, of the image within it, of the image itself.
    padded: Size
    resized: Size
    original: Size


class Mask2Former(ABC):
    """A :class:`geneval.detectors.Detector` whose network gives class and mask logits per query.

    The last bits of a forward pass depend on the batch's shape, not on its content. A batch therefore holds images of
    one size, and is filled up with the last of them: an image's numbers do not depend on those around it.
    """

    name: str
    #: Who computes the deformable attention, and how.
    attention: str = ""
    #: (query, class) pairs looked at, best first.
    max_per_image: int
    #: Images in a forward pass.
    batch_size: int

    @abstractmethod
    def preprocess(self, pixels: Any) -> Any:
        """Prepare an image: uint8 array of shape (height, width, 3), channels RGB."""

    @abstractmethod
    def size(self, prepared: Any) -> Size:
        """What a prepared image was resized to: only images of one size go together."""

    @abstractmethod
    def forward(self, batch: Sequence[Any]) -> list[RawOutput]:
        """The network's raw outputs, logits of the last decoder layer, for prepared images of one size."""

    def outputs(self, prepared: Any) -> RawOutput:
        """Raw outputs for one image, in a batch of the usual size."""
        return self.forward([prepared] * self.batch_size)[0]

    def detect(self, prepared: Any, floor: float = 0.0) -> Detections:
        """Detections of one prepared image; see :meth:`detect_batch`."""
        return self.detect_batch([prepared], [floor])[0]

    def detect_batch(self, prepared: Sequence[Any], floors: Sequence[float]) -> list[Detections]:
        """Detections of each image, in mmdet's order; those that cannot exceed an image's floor may be left out."""
        by_size = grouped((self.size(image), index) for index, image in enumerate(prepared))
        step, found = self.batch_size, dict[int, Detections]()
        groups = [alike[first : first + step] for alike in by_size.values() for first in range(0, len(alike), step)]
        for group in groups:
            filled = group + group[-1:] * (step - len(group))
            raw = self.forward([prepared[index] for index in filled])
            for index, output in zip(group, raw, strict=False):  # what only fills the batch is not looked at
                found[index] = find_instances(output, self.max_per_image, floors[index])
        return [found[index] for index in range(len(prepared))]


def find_instances(raw: RawOutput, max_per_image: int, floor: float) -> Detections:
    """The best ``max_per_image`` (query, class) pairs that can exceed ``floor``, in mmdet's order.

    Scores at or below ``floor`` may be among them.
    """
    scores = raw.classes.softmax(dim=-1)[:, :-1]
    # The host waits for the device twice: for the pairs, and for what their masks say. Double precision holds both.
    best, pairs = torch.stack([one.double() for one in scores.flatten(0, 1).topk(max_per_image, sorted=False)]).cpu()
    possible = best > floor - ROUNDING
    best, pairs = best[possible].float(), pairs[possible].long()
    labels, queries = pairs % scores.shape[1], pairs // scores.shape[1]
    used, places = queries.unique(return_inverse=True)
    masks, certainty, corners = _masks(raw, used.to(scores.device))
    rated = torch.cat([corners, certainty[:, None]], dim=1).cpu()[places]
    found = (best * rated[:, 4]).tolist()
    boxes = [Box(*corner, score) for corner, score in zip(rated[:, :4].tolist(), found, strict=True)]
    return Detections(labels.tolist(), boxes, masks[places.to(masks.device)])


def _masks(raw: RawOutput, queries: Any) -> tuple[Any, Any, Any]:
    """Of each query: its pixels (bool), the mean probability in them, its box (x0, y0, x1, y1).

    A box's far corner lies outside the mask; an empty mask's box is all zeros.
    """
    if not len(queries):
        nothing = raw.masks.new_zeros((0, *raw.original), dtype=bool)
        return nothing, raw.masks.new_zeros(0), raw.masks.new_zeros((0, 4))
    # torch sums a single row in another order than the rows of a matrix: one query is computed twice.
    rows = queries.repeat(2) if len(queries) == 1 else queries
    # To the input's size, less the padding, to the image's size: (queries, height, width).
    how = {"mode": "bilinear", "align_corners": False}
    large = interpolate(raw.masks[None, rows], size=tuple(raw.padded), **how)[0]
    image = large[:, : raw.resized.height, : raw.resized.width]
    logits = interpolate(image[:, None], size=tuple(raw.original), **how)[:, 0]
    inside = logits > 0
    weights = inside.float()
    certainty = (logits.sigmoid() * weights).flatten(1).sum(1) / (weights.flatten(1).sum(1) + 1e-6)
    inside, certainty = inside[: len(queries)], certainty[: len(queries)]
    sides = inside.any(dim=1).int(), inside.any(dim=2).int()  # columns, rows
    firsts = [line.argmax(dim=1) for line in sides]
    ends = [line.shape[1] - line.flip(1).argmax(dim=1) for line in sides]
    return inside, certainty, torch.stack([*firsts, *ends], dim=1).float() * sides[0].any(dim=1)[:, None]


def to_bfloat16(model: Any) -> None:
    """Let linear layers and convolutions compute in bfloat16; what is between them stays in fp32.

    Weights are converted once: autocast would convert them anew at each call, which on a CPU costs more than it saves.
    Sums, norms and coordinates keep their precision; so do the layers that decide.
    """
    attentions = [module for module in model.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    untouched = {id(part) for attention in attentions for part in attention.modules()}  # they read their weights apart
    for name, module in model.named_modules():
        product = isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
        if product and id(module) not in untouched and not any(part in name for part in _DECIDING):
            module.forward = partial(_in_bfloat16, module.to(torch.bfloat16).forward)


def _in_bfloat16(forward: Any, value: Any) -> Any:
    return forward(value.to(torch.bfloat16)).float()

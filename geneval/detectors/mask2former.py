"""What the two implementations of Mask2Former share: from a prepared image to detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from geneval.detectors.base import Detections
from geneval.detectors.instances import RawOutput, find_instances

#: mmdet's own config of the model that GenEval's reference implementation uses.
CONFIG = "mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"


class Mask2Former(ABC):
    """A :class:`geneval.detectors.base.Detector` whose network gives class and mask logits per query.

    One image at a time: numbers of a row must not depend on its neighbours, and those of a batch depend on its shape.
    """

    #: Names architecture and implementation; written into every row.
    name: str
    #: (query, class) pairs looked at, best first.
    max_per_image: int

    @abstractmethod
    def preprocess(self, pixels: Any) -> Any:
        """Prepare an image: uint8 array of shape (height, width, 3), channels RGB."""

    @abstractmethod
    def outputs(self, prepared: Any) -> RawOutput:
        """The network's raw outputs for one prepared image."""

    def detect(self, prepared: Any, floor: float = 0.0) -> Detections:
        """Detections of one prepared image, in mmdet's order; those that cannot exceed ``floor`` may be left out."""
        return find_instances(self.outputs(prepared), self.max_per_image, floor)

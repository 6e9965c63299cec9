"""What the two implementations of Mask2Former share: from prepared images to detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geneval.detectors.base import Detections
from geneval.detectors.instances import RawOutput, find_instances
from geneval.detectors.resize import Size

#: mmdet's own config of the model that GenEval's reference implementation uses.
CONFIG = "mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"


@dataclass(frozen=True)
class Execution:
    """How a detector computes.

    Attributes:
        device: ``cpu`` or ``cuda[:N]``.
        precision: one of ``PRECISIONS``.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int = 1

    def suffix(self) -> str:
        """What a detector's name says of it: nothing where numbers are the reference's up to rounding."""
        return ", bf16" if self.precision == "bf16" else ""


class Mask2Former(ABC):
    """A :class:`geneval.detectors.base.Detector` whose network gives class and mask logits per query.

    The last bits of a forward pass depend on the batch's shape, not on its content. A batch therefore holds images of
    one size, and is filled up with the last of them: an image's numbers do not depend on those around it.
    """

    #: Names architecture and implementation; written into every row.
    name: str
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
        """The network's raw outputs for prepared images of one size."""

    def outputs(self, prepared: Any) -> RawOutput:
        """Raw outputs for one image, in a batch of the usual size."""
        return self.forward([prepared] * self.batch_size)[0]

    def detect(self, prepared: Any, floor: float = 0.0) -> Detections:
        """Detections of one prepared image; see :meth:`detect_batch`."""
        return self.detect_batch([prepared], [floor])[0]

    def detect_batch(self, prepared: Sequence[Any], floors: Sequence[float]) -> list[Detections]:
        """Detections of each image, in mmdet's order; those that cannot exceed an image's floor may be left out."""
        found: dict[int, Detections] = {}
        for group in self._groups(prepared):
            filled = group + group[-1:] * (self.batch_size - len(group))
            raw = self.forward([prepared[index] for index in filled])
            for index, output in zip(group, raw, strict=False):  # what only fills the batch is not looked at
                found[index] = find_instances(output, self.max_per_image, floors[index])
        return [found[index] for index in range(len(prepared))]

    def _groups(self, prepared: Sequence[Any]) -> list[list[int]]:
        """Places of images of one size, at most a batch of them."""
        places: dict[Size, list[int]] = {}
        for index, image in enumerate(prepared):
            places.setdefault(self.size(image), []).append(index)
        step = self.batch_size
        return [group[first : first + step] for group in places.values() for first in range(0, len(group), step)]

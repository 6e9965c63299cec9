"""What every detector takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from geneval.judge import Box
from wire.vocabulary import OBJECT_CLASSES


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image.

    Attributes:
        labels: class index of each detection, in the order of ``OBJECT_CLASSES``.
        boxes: the detections, in the detector's own order.
        masks: their pixels: booleans of shape (detections, height, width), a tensor on any device.
    """

    labels: Sequence[int]
    boxes: Sequence[Box]
    masks: Any

    def indices(self) -> dict[str, list[int]]:
        """Detections of each class, classes in the detector's order; only classes that were found."""
        found: dict[int, list[int]] = {}
        for index, label in enumerate(self.labels):
            found.setdefault(label, []).append(index)
        return {OBJECT_CLASSES[label]: found[label] for label in sorted(found)}

    def mask(self, index: int) -> Any:
        """Pixels of one detection: a boolean array of shape (height, width)."""
        return self.masks[index].cpu().numpy()


class Detector(Protocol):
    """A detector with its weights loaded. ``preprocess`` may run in another thread than ``detect_batch``."""

    #: Names architecture and implementation; written into every row.
    name: str

    def preprocess(self, pixels: Any) -> Any:
        """Prepare an image: uint8 array of shape (height, width, 3), channels RGB."""
        ...

    def detect_batch(self, prepared: Sequence[Any], floors: Sequence[float]) -> list[Detections]:
        """Detect in prepared images; boxes and masks are in pixels of the originals.

        What scores no more than an image's floor is of no interest and may be left out.
        """
        ...

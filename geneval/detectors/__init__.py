"""Object detectors: each finds the 80 COCO classes and gives boxes, scores and instance masks.

Here is what every detector takes and gives; an implementation is imported when it is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from geneval.judge import Box
from wire.grouping import grouped
from wire.protocol import EnvironmentFailure
from wire.vocabulary import OBJECT_CLASSES

#: Name on the command line -> ``module:class``. The first is the reference.
DETECTORS = {
    "mmdet": "geneval.detectors.mmdet_mask2former:MmdetMask2Former",
    "transformers": "geneval.detectors.transformers_mask2former:TransformersMask2Former",
}
#: ``exact``: every operation of mmdet, in its order; the bits of ``mmdet.apis.inference_detector`` on the same device.
#: ``fp32``: the same arithmetic in a cheaper order. ``bf16``: matrix products and convolutions in bfloat16.
PRECISIONS = ("fp32", "exact", "bf16")
#: (long, short) of mmdet's Swin-S config: an image is made as large as fits both.
SCALE = (1333, 800)
#: The input's sides are padded to a multiple of this.
DIVISOR = 32


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


def fit(size: Size, scale: tuple[int, int]) -> Size:
    """The largest size of the same shape whose longer side is at most max(scale), the shorter at most min(scale)."""
    factor = min(max(scale) / max(size), min(scale) / min(size))
    return Size(*(int(side * factor + 0.5) for side in size))


@dataclass(frozen=True)
class Execution:
    """How a detector computes: on ``cpu`` or ``cuda[:N]``, in one of ``PRECISIONS``, so many images at a time."""

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int = 1

    def suffix(self) -> str:
        """What a detector's name adds for it: nothing if numbers are the reference's up to rounding."""
        return ", bf16" if self.precision == "bf16" else ""


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image, in the detector's own order.

    ``labels`` are places in ``OBJECT_CLASSES``; ``masks`` booleans of shape (detections, height, width), a tensor on
    any device.
    """

    labels: Sequence[int]
    boxes: Sequence[Box]
    masks: Any

    def indices(self) -> dict[str, list[int]]:
        """Detections of each class that was found, classes in the order of ``OBJECT_CLASSES``."""
        found = grouped((label, index) for index, label in enumerate(self.labels))
        return {OBJECT_CLASSES[label]: found[label] for label in sorted(found)}

    def pixels(self, indices: Sequence[int]) -> Any:
        """Of some detections: a boolean array of shape (len(indices), height, width), fetched in one go."""
        return self.masks[list(indices)].cpu().numpy()


class Detector(Protocol):
    """A detector with its weights loaded. ``preprocess`` may run in another thread than ``detect_batch``."""

    #: Names architecture and implementation; written into every row.
    name: str
    #: What computes the deformable attention; written into ``run.json``.
    attention: str

    def preprocess(self, pixels: Any) -> Any:
        """Prepare an image: uint8 array of shape (height, width, 3), channels RGB."""
        ...

    def detect_batch(self, prepared: Sequence[Any], floors: Sequence[float]) -> list[Detections]:
        """Detect in prepared images; boxes and masks are in pixels of the originals.

        Detections whose score is not above an image's floor may be left out.
        """
        ...


def load_detector(kind: str, weights: Path, config: Path | None, execution: Execution) -> Detector:
    """One of :data:`DETECTORS`, with its weights loaded; see the classes for arguments and errors.
    Raises EnvironmentFailure: its package is not installed here.
    """
    module, name = DETECTORS[kind].split(":")
    try:
        return cast(Detector, getattr(import_module(module), name)(weights, config, execution))
    except ModuleNotFoundError as error:
        raise EnvironmentFailure(
            f"{error.name} is not installed in this environment: choose another --detector"
        ) from error

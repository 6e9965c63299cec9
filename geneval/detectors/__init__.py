"""Object detectors: each finds the 80 COCO classes and gives boxes, scores and instance masks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from geneval.detectors.mask2former import Execution, Mask2Former
from wire.protocol import EnvironmentFailure

__all__ = ["DETECTORS", "Execution", "Mask2Former", "load_detector"]

#: The implementations of Mask2Former; the first is the reference.
DETECTORS = ("mmdet", "transformers")


def load_detector(kind: str, weights: Path, config: Path | None, execution: Execution) -> Mask2Former:
    """One of ``DETECTORS``, with its weights loaded; see the classes for arguments and errors.

    Raises:
        EnvironmentFailure: its package is not installed here.
    """
    if find_spec(kind) is None:
        raise EnvironmentFailure(f"{kind} is not installed in this environment: choose another --detector")
    if kind == "transformers":
        from geneval.detectors.transformers_mask2former import TransformersMask2Former

        return TransformersMask2Former(weights, config, execution)
    from geneval.detectors.mmdet_mask2former import MmdetMask2Former

    return MmdetMask2Former(weights, config, execution)

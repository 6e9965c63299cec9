"""Object detectors: each finds the 80 COCO classes and gives boxes, scores and instance masks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from geneval.detectors.base import Detector, Execution
from wire.protocol import EnvironmentFailure

__all__ = ["DETECTORS", "Detector", "Execution", "load_detector"]

#: Name on the command line -> ``module:class``; imported when it is chosen. The first is the reference.
DETECTORS = {
    "mmdet": "geneval.detectors.mmdet_mask2former:MmdetMask2Former",
    "transformers": "geneval.detectors.transformers_mask2former:TransformersMask2Former",
}


def load_detector(kind: str, weights: Path, config: Path | None, execution: Execution) -> Detector:
    """One of :data:`DETECTORS`, with its weights loaded; see the classes for arguments and errors.

    Raises:
        EnvironmentFailure: its package is not installed here.
    """
    module, name = DETECTORS[kind].split(":")
    try:
        return cast(Detector, getattr(import_module(module), name)(weights, config, execution))
    except ModuleNotFoundError as error:
        raise EnvironmentFailure(
            f"{error.name} is not installed in this environment: choose another --detector"
        ) from error

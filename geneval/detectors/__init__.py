"""Object detectors: each finds the 80 COCO classes and gives boxes, scores and instance masks."""

from __future__ import annotations

from pathlib import Path

from geneval.detectors.mask2former import Mask2Former

#: The implementations of Mask2Former; the first is the reference.
DETECTORS = ("mmdet", "transformers")


def load_detector(kind: str, weights: Path, config: Path | None, device: str) -> Mask2Former:
    """One of ``DETECTORS``, with its weights loaded; see the classes for arguments and errors."""
    if kind == "transformers":
        from geneval.detectors.transformers_mask2former import TransformersMask2Former

        return TransformersMask2Former(weights, config, device)
    from geneval.detectors.mmdet_mask2former import MmdetMask2Former

    return MmdetMask2Former(weights, config, device)

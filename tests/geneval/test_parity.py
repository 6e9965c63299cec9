from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

from bench import parity
from geneval.detectors import Execution, Size, load_detector
from geneval.detectors.mask2former import Mask2Former, RawOutput
from geneval.self_test import draw_scene


@pytest.fixture(scope="module")
def both(tiny_files: Path) -> list[Mask2Former]:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    kinds = {"mmdet": "exact", "transformers": "fp32"}
    return [load_detector(kind, weights, config, Execution("cpu", how)) for kind, how in kinds.items()]


def pictures() -> list[Any]:
    return [np.asarray(draw_scene(seed, (120, 90))) for seed in range(2)]


def test_the_detectors_agree(both: list[Mask2Former]) -> None:
    found = parity.compare(*both, pictures())
    assert (found.images, found.same_objects) == (2, 2)
    assert found.verdicts == found.same_verdicts == 2 * parity.PROMPTS_PER_IMAGE
    assert 0 < found.correct < found.verdicts
    assert 0 < found.classes < 1e-4 < 10 < found.largest_class
    assert 0 < found.masks < 1e-3 < 50 < found.largest_mask
    assert found.boxes <= 1
    assert 0 < found.scores < 1e-3


class Astray(Mask2Former):
    """The reference, its class logits shuffled."""

    def __init__(self, reference: Mask2Former) -> None:
        self.name, self.max_per_image, self._reference = "astray", reference.max_per_image, reference
        self.batch_size = 1

    def preprocess(self, pixels: Any) -> Any:
        return self._reference.preprocess(pixels)

    def size(self, prepared: Any) -> Size:
        return self._reference.size(prepared)

    def forward(self, batch: Sequence[Any]) -> list[RawOutput]:
        return [replace(raw, classes=raw.classes.roll(1, dims=1)) for raw in self._reference.forward(batch)]


def test_another_detector_is_told_apart(both: list[Mask2Former]) -> None:
    found = parity.compare(both[0], Astray(both[0]), pictures())
    assert found.same_objects == 0
    assert found.same_verdicts < found.verdicts
    assert (found.classes > 1, found.masks) == (True, 0)
    assert "| 120 x 90 | " in parity.table({(120, 90): found})

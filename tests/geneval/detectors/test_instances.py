from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import numpy as np
import torch

from geneval.detectors import Execution, Size
from geneval.detectors.mask2former import RawOutput, find_instances
from geneval.detectors.mmdet_mask2former import MmdetMask2Former
from tests.geneval.scenes import draw


def made_up(classes: torch.Tensor, masks: torch.Tensor) -> RawOutput:
    return RawOutput(classes, masks, Size(32, 32), Size(30, 32), Size(60, 64))


@pytest.mark.parametrize("threads", [1, 4])
def test_what_exceeds_the_floor_does_not_depend_on_the_rest(tiny_files: Path, threads: int) -> None:
    detector = MmdetMask2Former(tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py", Execution())
    torch.set_num_threads(threads)
    try:
        raw = detector.outputs(detector.preprocess(np.asarray(draw(3, (400, 300)))))
        raw = replace(raw, classes=raw.classes / 3)  # less decided, as on real images: class scores of all sizes
        everything = find_instances(raw, detector.max_per_image, 0.0)
        scores = sorted(box.score for box in everything.boxes)
        for floor in (0.3, scores[-3], scores[-2], 1.0):  # the third leaves one detection
            some = find_instances(raw, detector.max_per_image, floor)
            wanted = [i for i, box in enumerate(everything.boxes) if box.score > floor]
            kept = [i for i, box in enumerate(some.boxes) if box.score > floor]
            assert [some.boxes[i] for i in kept] == [everything.boxes[i] for i in wanted]
            assert torch.equal(some.masks[kept], everything.masks[wanted])
            assert len(some.boxes) < len(everything.boxes)
    finally:
        torch.set_num_threads(1)


def test_nothing_that_can_pass() -> None:
    found = find_instances(made_up(torch.zeros(3, 81), torch.ones(3, 8, 8)), 5, 0.5)
    assert (found.labels, found.boxes, tuple(found.masks.shape)) == ([], [], (0, 60, 64))


def test_an_empty_mask_has_no_box_and_no_score() -> None:
    classes = torch.zeros(2, 81)
    classes[0, 7] = classes[1, 9] = 20.0
    masks = torch.full((2, 8, 8), -5.0)
    masks[1] = 5.0
    found = find_instances(made_up(classes, masks), 2, 0.0)
    boxes = dict(zip(found.labels, found.boxes, strict=True))
    assert boxes[7] == (0, 0, 0, 0, 0)
    assert boxes[9][:4] == (0, 0, 64, 60)
    assert boxes[9].score == pytest.approx(torch.sigmoid(torch.tensor(5.0)).item(), abs=1e-4)

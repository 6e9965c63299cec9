"""Batches against ``mmdet.apis.inference_detector``, one image at a time, on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import numpy as np
import torch

from geneval.detectors import DETECTORS, Detections, Execution, load_detector
from geneval.detectors.checkpoint import read_state
from tests.geneval.scenes import draw

#: Different images of each size; a batch repeats them.
IMAGES = 3
#: What is looked at; what only fills a batch is asked for nothing: bringing masks to 1024 px takes time.
FLOOR, NOTHING = 0.3, 1.0
#: Single precision, other orders of adding: scores; corners in pixels, where a mask's outermost pixel is at the sign's
#: edge; share of mask pixels.
SCORE, CORNER, PIXELS = 5e-5, 1.0, 1e-4


@pytest.fixture(scope="module")
def mmdets_own(tiny_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from mmdet.apis import init_detector

    weights = tmp_path_factory.mktemp("layout_3") / "weights.pth"
    torch.save({"state_dict": read_state(tiny_files / "mask2former.pth")}, weights)
    return init_detector(str(tiny_files / "mask2former_tiny.py"), str(weights), palette="coco", device="cpu")


@pytest.fixture(scope="module", params=[256, 512, 1024])
def expected(request: pytest.FixtureRequest, mmdets_own: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Pixels of each image, and what mmdet's public API finds."""
    from mmdet.apis import inference_detector

    path, pairs = tmp_path_factory.mktemp("images") / "image.png", []
    for seed in range(IMAGES):
        picture = draw(seed, (request.param, request.param))
        picture.save(path)
        pairs.append((np.asarray(picture), inference_detector(mmdets_own, str(path)).pred_instances))
    return pairs


def assert_same(found: Detections, theirs: Any) -> None:
    """Everything above the floor, best first."""
    wanted = [int(i) for i in theirs.scores.argsort(descending=True) if theirs.scores[i] > FLOOR]
    ours = sorted(range(len(found.boxes)), key=lambda i: -found.boxes[i].score)
    ours = [i for i in ours if found.boxes[i].score > FLOOR]
    assert [found.labels[i] for i in ours] == theirs.labels[wanted].tolist()
    assert len(ours) > 3
    boxes = np.array([found.boxes[i] for i in ours])
    np.testing.assert_allclose(boxes[:, 4], theirs.scores[wanted].numpy(), rtol=0, atol=SCORE)
    np.testing.assert_allclose(boxes[:, :4], theirs.bboxes[wanted].numpy(), rtol=0, atol=CORNER)
    assert (found.masks[ours] != theirs.masks[wanted]).float().mean() < PIXELS


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_mmdet_in_batches(tiny_files: Path, expected: list[Any], batch_size: int) -> None:
    detector = load(tiny_files, "mmdet", batch_size)
    order = [(index + batch_size) % IMAGES for index in range(batch_size)]
    prepared = [detector.preprocess(pixels) for pixels, _ in expected]
    looked_at = {0, batch_size // 2, batch_size - 1}
    floors = [FLOOR if place in looked_at else NOTHING for place in range(batch_size)]
    found = detector.detect_batch([prepared[index] for index in order], floors)
    for place in looked_at:
        assert_same(found[place], expected[order[place]][1])


def load(tiny_files: Path, kind: str, batch_size: int) -> Any:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    return load_detector(kind, weights, config, Execution(batch_size=batch_size))


@pytest.mark.parametrize("kind", DETECTORS)
def test_an_image_does_not_depend_on_its_batch(tiny_files: Path, kind: str) -> None:
    detector = load(tiny_files, kind, 4)
    sizes = [(96, 96), (300, 140), (96, 96), (96, 96), (96, 96), (96, 96)]
    prepared = [detector.preprocess(np.asarray(draw(seed, size))) for seed, size in enumerate(sizes)]
    together = detector.detect_batch(prepared, [0.3, 0.3, 0.3, 0.9, 0.3, 0.3])
    for image, floor, found in zip(prepared, [0.3, 0.3, 0.3, 0.9, 0.3, 0.3], together, strict=True):
        alone = detector.detect(image, floor)
        assert alone.boxes == found.boxes
        assert torch.equal(alone.masks, found.masks)
    assert together[1].masks.shape[1:] == (140, 300)


def test_no_images_need_no_forward(tiny_files: Path) -> None:
    assert load(tiny_files, "mmdet", 4).detect_batch([], []) == []

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import numpy as np
import torch

from geneval.detectors import Execution, Size, fit, load_detector
from geneval.detectors.checkpoint import read_state, to_transformers
from geneval.detectors.mask2former import Mask2Former
from geneval.detectors.transformers_mask2former import TransformersMask2Former, read_config
from tests.geneval.jobs import items, make_job, parameters, run
from tests.geneval.scenes import draw, write_scenes
from wire.protocol import EnvironmentFailure, UserError, read_rows

SIZES = [(96, 96), (256, 256), (300, 140), (64, 200)]
#: Class logits reach 20, mask logits 150: single precision, another order of summing.
CLASS_TOLERANCE, MASK_TOLERANCE, SCORE_TOLERANCE = 1e-4, 1e-3, 2e-5


@pytest.fixture(scope="module")
def both(tiny_files: Path) -> tuple[Mask2Former, Mask2Former]:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    kinds = {"mmdet": "exact", "transformers": "fp32"}
    first, second = (load_detector(kind, weights, config, Execution("cpu", how)) for kind, how in kinds.items())
    return first, second


@pytest.mark.parametrize("size", SIZES)
def test_the_network_is_the_same(both: tuple[Mask2Former, Mask2Former], size: tuple[int, int]) -> None:
    pixels = np.asarray(draw(3, size))
    ours, reference = (one.outputs(one.preprocess(pixels)) for one in reversed(both))
    assert (ours.padded, ours.resized, ours.original) == (reference.padded, reference.resized, reference.original)
    assert (ours.classes - reference.classes).abs().max() < CLASS_TOLERANCE
    assert (ours.masks - reference.masks).abs().max() < MASK_TOLERANCE
    assert reference.classes.std() > 1


@pytest.mark.parametrize("size", SIZES)
def test_the_detections_are_the_same(both: tuple[Mask2Former, Mask2Former], size: tuple[int, int]) -> None:
    pixels = np.asarray(draw(5, size))
    reference, ours = (one.detect(one.preprocess(pixels), 0.3) for one in both)
    assert list(ours.labels) == list(reference.labels)
    assert len(ours.boxes) > 3
    for a, b in zip(ours.boxes, reference.boxes, strict=True):
        assert a[:4] == b[:4]
        assert a.score == pytest.approx(b.score, abs=SCORE_TOLERANCE)
    assert (ours.masks != reference.masks).float().mean() < 1e-4


def test_the_input_is_mmdets_to_the_bit(both: tuple[Mask2Former, Any]) -> None:
    reference, ours = both
    pixels = np.asarray(draw(6, (300, 140)))
    packed = reference.preprocess(pixels)
    batch = {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}
    expected = reference._model.data_preprocessor(batch, False)["inputs"]
    assert torch.equal(ours.preprocess(pixels).pixels, expected)


def test_every_weight_is_carried_over_once(tiny_files: Path) -> None:
    state = read_state(tiny_files / "mask2former.pth")
    carried = to_transformers(state)
    assert sum(value.numel() for value in carried.values()) == sum(value.numel() for value in state.values())
    assert not [key for key in carried if key.startswith(("backbone", "panoptic_head"))]


def test_merged_patches_are_told_apart() -> None:
    by_channel = torch.tensor([[f"{channel}{patch}" == "12" for channel in range(3) for patch in range(4)]])
    moved = to_transformers({"backbone.stages.0.downsample.reduction.weight": by_channel})
    (weight,) = moved.values()
    assert weight.shape == (1, 12)
    assert weight.nonzero().tolist() == [[0, 1 * 3 + 1]]  # the third patch by rows is the second by columns


def test_sizes_fit_as_mmcv_fits_them() -> None:
    from mmcv.image import rescale_size

    for size in [(512, 512), (480, 640), (333, 1999), (7, 5), (801, 799)]:
        assert fit(Size(*size), (1333, 800)) == rescale_size(size[::-1], (1333, 800))[::-1]


def test_settings_are_read_from_a_config(tiny_files: Path, tmp_path: Path) -> None:
    assert read_config(None) == ((1333, 800), 100)
    assert read_config(tiny_files / "mask2former_tiny.py") == ((160, 96), 40)
    (tmp_path / "config.py").write_text("model = dict(")
    with pytest.raises(UserError, match=r"config\.py: not a readable mmdet config"):
        read_config(tmp_path / "config.py")


def test_a_detector_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tiny_files: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mmdet"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mmdet", None)
    with pytest.raises(EnvironmentFailure, match=r"mmdet[a-z.]* is not installed in this environment: choose another"):
        load_detector("mmdet", tiny_files / "mask2former.pth", None, Execution())


def test_other_weights_are_refused(tiny_files: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(EnvironmentFailure, match=r"w\.pth: not the weights of a Mask2Former with a Swin backbone"):
        TransformersMask2Former(tmp_path / "w.pth", None, Execution())
    state = read_state(tiny_files / "mask2former.pth")
    torch.save(state | {"panoptic_head.extra": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(EnvironmentFailure, match=r"1 unknown \(panoptic_head\.extra\)"):
        TransformersMask2Former(tmp_path / "w.pth", None, Execution())


def test_the_worker_runs_it_where_there_is_no_mmcv(tiny_files: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path, 3)
    job = make_job(tmp_path, items(3), parameters(tiny_files, detector="transformers"))
    finished = run(job, absent=("mmcv", "mmdet", "mmengine"))
    assert finished.code == 0, finished.log
    assert list(finished.event("started")["packages"]) == ["torch", "transformers", "open-clip-torch"]
    rows = list(read_rows(tmp_path / "results.jsonl"))
    assert {row["detector"] for row in rows} == {"transformers/mask2former_tiny"}
    assert any(json.loads(row["details"]) for row in rows)

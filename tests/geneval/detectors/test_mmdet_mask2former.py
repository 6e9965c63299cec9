from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import numpy as np
import torch

from geneval.detectors import Detections, Execution, mmdet_mask2former
from geneval.detectors.checkpoint import read_state, to_layout_2
from geneval.detectors.mmdet_mask2former import MmdetMask2Former
from tests.geneval.scenes import draw
from wire.protocol import EnvironmentFailure, UserError
from wire.vocabulary import OBJECT_CLASSES

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def detector(tiny_files: Path) -> MmdetMask2Former:
    return MmdetMask2Former(
        tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py", Execution(precision="exact")
    )


@pytest.fixture(scope="module")
def mmdets_own(tiny_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same weights through mmdet's public API."""
    from mmdet.apis import init_detector

    weights = tmp_path_factory.mktemp("layout_3") / "weights.pth"
    torch.save({"state_dict": read_state(tiny_files / "mask2former.pth")}, weights)
    return init_detector(str(tiny_files / "mask2former_tiny.py"), str(weights), palette="coco", device="cpu")


def detect(detector: MmdetMask2Former, seed: int, size: tuple[int, int] = (96, 96)) -> Detections:
    return detector.detect(detector.preprocess(np.asarray(draw(seed, size))))


def with_weights(tiny_files: Path, folder: Path, rewrite: Rewrite) -> MmdetMask2Former:
    content = torch.load(tiny_files / "mask2former.pth", weights_only=True)
    torch.save(rewrite(content["state_dict"]), folder / "changed.pth")
    return MmdetMask2Former(folder / "changed.pth", tiny_files / "mask2former_tiny.py", Execution(precision="exact"))


@pytest.mark.parametrize("size", [(96, 96), (512, 512), (300, 140), (64, 200)])
def test_exact_means_the_bits_of_mmdets_own_inference(
    detector: MmdetMask2Former, mmdets_own: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    from mmdet.apis import inference_detector

    draw(7, size).save(tmp_path / "image.png")
    expected = inference_detector(mmdets_own, str(tmp_path / "image.png")).pred_instances
    found = detect(detector, 7, size)
    assert list(found.labels) == expected.labels.tolist()
    assert [list(box[:4]) for box in found.boxes] == expected.bboxes.tolist()
    assert [box.score for box in found.boxes] == expected.scores.tolist()
    assert torch.equal(found.masks, expected.masks)
    assert found.masks.shape[1:] == size[::-1]


def test_an_image_does_not_depend_on_those_before_it(detector: MmdetMask2Former) -> None:
    alone = detect(detector, 1)
    detect(detector, 2, (300, 140))
    again = detect(detector, 1)
    assert again.boxes == alone.boxes
    assert torch.equal(again.masks, alone.masks)


def test_classes_are_in_the_detectors_order(detector: MmdetMask2Former) -> None:
    found = detect(detector, 3)
    names = list(found.indices())
    assert names == sorted(names, key=OBJECT_CLASSES.index)
    assert sorted(i for indices in found.indices().values() for i in indices) == list(range(len(found.boxes)))


def test_boxes_enclose_their_masks(detector: MmdetMask2Former) -> None:
    found = detect(detector, 3)
    best = max(range(len(found.boxes)), key=lambda index: found.boxes[index].score)
    rows, columns = np.nonzero(found.pixels([best])[0])
    assert found.boxes[best][:4] == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_both_key_layouts_give_the_same_detector(detector: MmdetMask2Former, tiny_files: Path, tmp_path: Path) -> None:
    from geneval.detectors.checkpoint import to_layout_3

    renamed = with_weights(tiny_files, tmp_path, to_layout_3)
    assert detect(renamed, 4).boxes == detect(detector, 4).boxes


def test_there_and_back_gives_the_same_bits(tiny_files: Path) -> None:
    old = torch.load(tiny_files / "mask2former.pth", weights_only=True)["state_dict"]
    again = to_layout_2(read_state(tiny_files / "mask2former.pth"))
    assert list(again) == list(old)
    assert all(torch.equal(again[key], old[key]) for key in old)


def swap_attentions(state: dict[str, Any]) -> dict[str, Any]:
    """What a converter that takes self-attention for the first would make."""
    swap = {".attentions.0.attn.": ".attentions.1.attn.", ".attentions.1.attn.": ".attentions.0.attn."}
    names = {key: next((key.replace(a, b) for a, b in swap.items() if a in key), key) for key in state}
    return {names[key]: value for key, value in state.items()}


def test_swapped_attentions_load_but_see_something_else(
    detector: MmdetMask2Former, tiny_files: Path, tmp_path: Path
) -> None:
    swapped = with_weights(tiny_files, tmp_path, swap_attentions)
    ours, theirs = (sorted(box.score for box in detect(one, 5).boxes) for one in (detector, swapped))
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 0.05


def test_incomplete_weights_are_refused(tiny_files: Path, tmp_path: Path) -> None:
    def without_head(state: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in state.items() if "cls_embed" not in key} | {"extra": torch.zeros(1)}

    message = r"2 missing \(panoptic_head\.cls_embed\.weight, panoptic_head\.cls_embed\.bias\); 1 unknown \(extra\)"
    with pytest.raises(EnvironmentFailure, match=message):
        with_weights(tiny_files, tmp_path, without_head)


def test_a_broken_config_is_the_users(tiny_files: Path, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("model = dict(")
    with pytest.raises(UserError, match=r"config\.py: not a readable mmdet config"):
        MmdetMask2Former(tiny_files / "mask2former.pth", tmp_path / "config.py", Execution())


@pytest.mark.parametrize(("compiled", "device", "used"), [
    ("not available", "cuda", False), ("not available", "cpu", True), ("12.1", "cuda", True),
])  # fmt: skip
def test_the_compiled_op_is_left_alone_where_it_has_no_cuda(
    monkeypatch: pytest.MonkeyPatch, compiled: str, device: str, used: bool
) -> None:
    import mmcv.ops

    monkeypatch.setattr(mmcv.ops, "get_compiling_cuda_version", lambda: compiled)
    monkeypatch.setattr(mmcv.ops.multi_scale_deform_attn, "IS_CUDA_AVAILABLE", True)
    mmdet_mask2former.choose_deformable_attention(device)
    assert mmcv.ops.multi_scale_deform_attn.IS_CUDA_AVAILABLE is used

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import torch
from mmdet.models.backbones.swin import ShiftWindowMSA

from geneval.detectors import Execution
from geneval.detectors.mmdet_mask2former import MmdetMask2Former, install_windows, last_predictions


@pytest.mark.parametrize("size", [(7, 7), (13, 20), (14, 8), (3, 30)])
@pytest.mark.parametrize("shift", [0, 3])
def test_windows_are_swins(size: tuple[int, int], shift: int) -> None:
    torch.manual_seed(0)
    module = ShiftWindowMSA(12, 3, 7, shift).eval()
    torch.nn.init.normal_(module.w_msa.relative_position_bias_table)
    image = torch.randn(2, size[0] * size[1], 12)
    with torch.no_grad():
        expected = module(image, size)
        install_windows(torch.nn.Sequential(module))
        torch.testing.assert_close(module(image, size), expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def model(tiny_files: Path) -> Any:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    return MmdetMask2Former(weights, config, Execution(precision="exact"))._model


@pytest.mark.parametrize("size", [(64, 96), (96, 160)])
def test_the_last_predictions_are_the_heads(model: Any, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        features = model.extract_feat(torch.randn(2, 3, *size))
        classes, masks = model.panoptic_head(features, None)
        found = last_predictions(model.panoptic_head, features)
    assert classes[-1].std() > 1
    torch.testing.assert_close(found[0], classes[-1], rtol=0, atol=1e-4)
    torch.testing.assert_close(found[1], masks[-1], rtol=0, atol=1e-3)


def test_a_query_without_a_mask_looks_anywhere(model: Any) -> None:
    head = deepcopy(model.panoptic_head)
    head.mask_embed[-1].bias.data[0] -= 1000.0  # channel 0 of the features is constant: no mask is left
    with torch.no_grad():
        features = model.extract_feat(torch.randn(1, 3, 64, 64))
        classes, masks = head(features, None)
        found = last_predictions(head, features)
    assert masks[-1].max() < 0
    torch.testing.assert_close(found[0], classes[-1], rtol=0, atol=1e-4)


def test_bfloat16_spares_what_decides(tiny_files: Path, model: Any) -> None:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    detector = MmdetMask2Former(weights, config, Execution(precision="bf16"))
    assert detector.name == "mmdet/mask2former_tiny, bf16"
    kinds = {name: parameter.dtype for name, parameter in detector._model.named_parameters()}
    layer = "panoptic_head.pixel_decoder.encoder.layers.0."
    assert kinds[f"{layer}ffn.layers.0.0.weight"] == kinds["backbone.stages.0.blocks.0.attn.w_msa.qkv.weight"]
    assert kinds[f"{layer}ffn.layers.0.0.weight"] == kinds["panoptic_head.pixel_decoder.mask_feature.weight"]
    assert kinds[f"{layer}ffn.layers.0.0.weight"] == torch.bfloat16
    spared = ("sampling_offsets", "cls_embed", "mask_embed", "norm", "cross_attn.attn", "query_feat")
    assert {kind for name, kind in kinds.items() if any(part in name for part in spared)} == {torch.float32}
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        features, exact = detector._model.extract_feat(image), model.extract_feat(image)
    for ours, theirs in zip(features, exact, strict=True):
        assert ours.dtype == torch.float32
        assert 0 < float((ours - theirs).abs().max()) < 0.05 * float(theirs.abs().max())

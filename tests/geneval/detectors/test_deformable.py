"""Summing table rows against sampling each level, with the libraries' own modules as the measure."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from geneval.detectors import deformable

SHAPES = ((3, 5), (6, 10), (11, 20))
PLACES = sum(height * width for height, width in SHAPES)
HEADS, LEVELS, POINTS, CHANNELS = 4, 3, 4, 8
#: Values are about 1: single precision, another order of adding.
TOLERANCE = 2e-5


def centers() -> torch.Tensor:
    """Every place's own x and y in [0, 1], by definition rather than by the code under test."""
    return torch.tensor(
        [
            [(x + 0.5) / width, (y + 0.5) / height]
            for height, width in SHAPES
            for y in range(height)
            for x in range(width)
        ]
    )


@pytest.mark.parametrize("far", [0.0, 1.0, 40.0])  # at the query's own place, near, mostly outside the image
@pytest.mark.parametrize("at_a_time", [7, 2048])
def test_it_equals_sampling_level_by_level(monkeypatch: pytest.MonkeyPatch, far: float, at_a_time: int) -> None:
    monkeypatch.setattr(deformable, "QUERIES", at_a_time)
    torch.manual_seed(0)
    values = torch.randn(PLACES, HEADS, CHANNELS)
    offsets = torch.randn(PLACES, HEADS, LEVELS, POINTS, 2) * far
    weights = torch.rand(PLACES, HEADS, LEVELS * POINTS).softmax(-1).view(PLACES, HEADS, LEVELS, POINTS)
    shapes = torch.tensor(SHAPES)
    locations = centers()[:, None, None, None] + offsets / shapes.flip(1)[:, None]
    expected = multi_scale_deformable_attn_pytorch(values[None], shapes, locations[None], weights[None])[0]
    found = deformable.sample(values, SHAPES, offsets, weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * max(1.0, far))
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("far", [0.0, 1.0, 40.0])
def test_a_batch_is_sampled_as_its_images_are(far: float) -> None:
    """What runs on a GPU, against what runs on a CPU."""
    torch.manual_seed(0)
    values = torch.randn(3, PLACES, HEADS, CHANNELS)
    offsets = torch.randn(3, PLACES, HEADS, LEVELS, POINTS, 2) * far
    weights = torch.rand(3, PLACES, HEADS, LEVELS * POINTS).softmax(-1).view(3, PLACES, HEADS, LEVELS, POINTS)
    each = zip(values, offsets, weights, strict=True)
    expected = torch.stack([deformable.sample(one, SHAPES, *look) for one, *look in each])
    found = deformable.sample_levels(values, SHAPES, offsets, weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * max(1.0, far))


def test_layers_read_the_shapes_from_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    whole = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: (reads.append(1), whole(tensor))[1])
    shapes = torch.tensor(SHAPES)
    with torch.inference_mode():
        assert [deformable._plain(shapes) for _ in range(6)] == [SHAPES] * 6
    assert len(reads) == 1
    assert deformable._plain([list(shape) for shape in SHAPES]) == SHAPES


def randomised(module: Any) -> Any:
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module.eval()


def inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    return {name: torch.randn(2, PLACES, HEADS * CHANNELS) for name in ("query", "position")}


def test_mmcvs_module_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"embed_dims": HEADS * CHANNELS, "num_heads": HEADS, "num_levels": LEVELS, "num_points": POINTS}
    module = randomised(MultiScaleDeformableAttention(**sizes, dropout=0.0, batch_first=True))
    given = inputs()
    call = {
        "query": given["query"],
        "query_pos": given["position"],
        "reference_points": centers()[None, :, None].expand(2, -1, LEVELS, -1),
        "spatial_shapes": torch.tensor(SHAPES),
        "key_padding_mask": torch.zeros(2, PLACES, dtype=torch.bool),
    }
    with torch.no_grad():
        expected = module(**call)
        deformable.install_in_mmdet(torch.nn.Sequential(module))
        monkeypatch.setattr("mmcv.ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch", None)
        torch.testing.assert_close(module(**call), expected, rtol=0, atol=TOLERANCE)


def test_transformers_module_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.mask2former import modeling_mask2former as theirs

    kind = theirs.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention
    module = randomised(kind(HEADS * CHANNELS, HEADS, LEVELS, POINTS))
    given = inputs()
    call = {
        "hidden_states": given["query"],
        "encoder_hidden_states": given["query"],
        "position_embeddings": given["position"],
        "reference_points": centers()[None, :, None].expand(2, -1, LEVELS, -1),
        "spatial_shapes": torch.tensor(SHAPES),
    }
    with torch.no_grad():
        expected, _ = module(**call)
        deformable.install_in_transformers(torch.nn.Sequential(module))
        monkeypatch.setattr(theirs, "multi_scale_deformable_attention", None)
        torch.testing.assert_close(module(**call)[0], expected, rtol=0, atol=TOLERANCE)

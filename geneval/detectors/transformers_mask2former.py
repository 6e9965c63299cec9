"""The second detector: the same weights in transformers' Mask2Former, for hosts where mmcv cannot be built.

Resizing, normalisation and padding are mmdet's test pipeline, written out.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from geneval.detectors import DIVISOR, SCALE, Execution, Size, fit
from geneval.detectors.checkpoint import load_strictly, read_state, to_transformers
from geneval.detectors.deformable import attention, install_in_transformers
from geneval.detectors.mask2former import CONFIG, Mask2Former, RawOutput, to_bfloat16
from wire.protocol import EnvironmentFailure, UserError

#: ImageNet's channel means and deviations in [0, 255], RGB, as in mmdet's configs.
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: Sampling points of the deformable attention, per level and head: transformers has no setting for it.
POINTS = 4


def read_config(path: Path | None) -> tuple[tuple[int, int], int]:
    """What an mmdet config says beyond the weights' shapes, read without mmdet; or else mmdet's Swin-S config.

    An image is made as large as fits the first, (long, short); of (query, class) pairs the second is how many are
    looked at. What a config inherits from its base keeps the default.
    Raises UserError: the config is not plain Python.
    """
    try:
        config = runpy.run_path(str(path)) if path else {}
    except Exception as error:  # a config is a Python file: reading it can raise anything
        raise UserError(f"{path}: not a readable mmdet config ({type(error).__name__}: {error})") from error
    scales = [step["scale"] for step in config.get("test_pipeline", ()) if step["type"] == "Resize"]
    limits = config.get("model", {}).get("test_cfg", {})
    return (*scales, SCALE)[0], limits.get("max_per_image", 100)


class Input(NamedTuple):
    """An image prepared for the network: float32 of shape (1, 3, height, width), and the sizes it had on the way."""

    pixels: Any
    resized: Size
    original: Size


class TransformersMask2Former(Mask2Former):
    """Mask2Former through transformers; the model's sizes are read from the weights' shapes.

    The config, mmdet's, says scale and number of detections. ``exact`` means transformers' own operations.
    Raises UserError: the config cannot be read; EnvironmentFailure: the weights are not Mask2Former's with a Swin
    backbone.
    """

    def __init__(self, weights: Path, config: Path | None, execution: Execution) -> None:
        self._scale, self.max_per_image = read_config(config)
        self.batch_size = execution.batch_size
        self.name = f"transformers/{(config or Path(CONFIG)).stem}{execution.suffix()}"
        state = read_state(weights)
        self._model = _build(state, weights)
        # The training loss's class weights, which mmdet does not store.
        loss = {key: value for key, value in self._model.state_dict().items() if key.startswith("criterion.")}
        load_strictly(self._model, to_transformers(state) | loss, weights)
        self._model.to(execution.device).eval()
        self._device = execution.device
        self.attention = "transformers"
        if execution.precision != "exact":
            self.attention = attention(execution.device)
            install_in_transformers(self._model)
        if execution.precision == "bf16":
            to_bfloat16(self._model)

    def preprocess(self, pixels: Any) -> Input:
        """Resize (bilinear, in float32), normalise and pad an RGB image (height, width, 3)."""
        original = Size(*pixels.shape[:2])
        resized = fit(original, self._scale)
        large = cv2.resize(pixels.astype(np.float32), resized[::-1], interpolation=cv2.INTER_LINEAR)
        image = torch.from_numpy(large).permute(2, 0, 1)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        margins = (0, -resized.width % DIVISOR, 0, -resized.height % DIVISOR)
        return Input(torch.nn.functional.pad((image - mean) / deviation, margins)[None], resized, original)

    def size(self, prepared: Input) -> Size:
        """Height and width of the resized image."""
        return prepared.resized

    def forward(self, batch: Sequence[Input]) -> list[RawOutput]:
        """Logits of the last decoder layer."""
        pixels = torch.cat([image.pixels for image in batch]).to(self._device)
        with torch.inference_mode():
            raw = self._model(pixel_values=pixels)
        padded = Size(*pixels.shape[2:])
        each = zip(raw.class_queries_logits, raw.masks_queries_logits, batch, strict=True)
        return [RawOutput(classes, masks, padded, image.resized, image.original) for classes, masks, image in each]


def _build(state: Mapping[str, Any], path: Path) -> Any:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    try:
        backbone = SwinConfig(
            **_backbone_sizes(state), drop_path_rate=0.0, out_features=[f"stage{i}" for i in range(1, 5)]
        )
        settings = Mask2FormerConfig(backbone_config=backbone, **_head_sizes(state))
    except (KeyError, IndexError, ValueError) as error:
        raise EnvironmentFailure(f"{path}: not the weights of a Mask2Former with a Swin backbone ({error})") from error
    return Mask2FormerForUniversalSegmentation(settings)


def _backbone_sizes(state: Mapping[str, Any]) -> dict[str, Any]:
    projection = state["backbone.patch_embed.projection.weight"]
    tables = [state[f"backbone.stages.{stage}.blocks.0.attn.w_msa.relative_position_bias_table"] for stage in range(4)]
    return {
        "embed_dim": projection.shape[0],
        "patch_size": projection.shape[2],
        "depths": [_count(state, rf"backbone\.stages\.{stage}\.blocks\.(\d+)\.") for stage in range(4)],
        "num_heads": [table.shape[1] for table in tables],
        "window_size": (int(tables[0].shape[0] ** 0.5) + 1) // 2,  # a table has (2 window - 1) squared rows
    }


def _head_sizes(state: Mapping[str, Any]) -> dict[str, Any]:
    head, pixels = "panoptic_head.", "panoptic_head.pixel_decoder."
    levels = state[f"{pixels}level_encoding.weight"].shape[0]
    width = state[f"{head}query_feat.weight"].shape[1]
    attention = state[f"{pixels}encoder.layers.0.self_attn.attention_weights.weight"]
    return {
        "num_labels": state[f"{head}cls_embed.weight"].shape[0] - 1,
        "num_queries": state[f"{head}query_feat.weight"].shape[0],
        "hidden_dim": width,
        "feature_size": state[f"{pixels}level_encoding.weight"].shape[1],
        "mask_feature_size": state[f"{pixels}mask_feature.weight"].shape[0],
        "num_attention_heads": attention.shape[0] // (levels * POINTS),
        "encoder_layers": _count(state, r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\."),
        "encoder_feedforward_dim": state[f"{pixels}encoder.layers.0.ffn.layers.0.0.weight"].shape[0],
        # transformers counts the prediction before the first layer as a layer.
        "decoder_layers": _count(state, r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.") + 1,
        "dim_feedforward": state[f"{head}transformer_decoder.layers.0.ffn.layers.0.0.weight"].shape[0],
    }


def _count(state: Mapping[str, Any], numbered: str) -> int:
    """How many numbers occur in keys like this."""
    return len({match[1] for key in state if (match := re.match(numbered, key))})

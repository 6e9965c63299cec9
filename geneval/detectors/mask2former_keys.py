"""Mask2Former's weights from mmdet's names to those of transformers (versions 4.27 to 4.57).

Three things differ besides names. transformers has query, key and value apart where mmdet has them in one matrix.
Where Swin merges 2 x 2 patches, mmdet lines the four up within each channel, row by row; transformers lines up the
channels within each of the four, column by column. And mmdet's first attention of a decoder layer, the cross-attention,
is named as such by both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_ENCODER = "model.pixel_level_module.encoder."
_PIXELS = "model.pixel_level_module.decoder."
_QUERIES = "model.transformer_module."
#: The four merged patches, row by row, in the order of columns.
_BY_COLUMNS = [0, 2, 1, 3]


class _Rule(NamedTuple):
    """Keys that match ``old`` become ``new``; ``{0}``... are its groups, ``{part}`` each of ``parts``."""

    old: str
    new: str
    parts: tuple[str, ...] = ()


_BLOCK = r"backbone\.stages\.(\d+)\.blocks\.(\d+)\."
_NEW_BLOCK = _ENCODER + "encoder.layers.{0}.blocks.{1}."
_PIXEL_DECODER = r"panoptic_head\.pixel_decoder\."
_PIXEL_LAYER = _PIXEL_DECODER + r"encoder\.layers\.(\d+)\."
_NEW_PIXEL_LAYER = _PIXELS + "encoder.layers.{0}."
_LAYER = r"panoptic_head\.transformer_decoder\.layers\.(\d+)\."
_NEW_LAYER = _QUERIES + "decoder.layers.{0}."

_RULES = (
    _Rule(r"backbone\.patch_embed\.projection\.(\w+)", _ENCODER + "embeddings.patch_embeddings.projection.{0}"),
    _Rule(r"backbone\.patch_embed\.norm\.(\w+)", _ENCODER + "embeddings.norm.{0}"),
    *(
        _Rule(rf"backbone\.norm{level}\.(\w+)", _ENCODER + f"hidden_states_norms.stage{level + 1}.{{0}}")
        for level in range(4)
    ),
    _Rule(r"backbone\.stages\.(\d+)\.downsample\.(.+)", _ENCODER + "encoder.layers.{0}.downsample.{1}"),
    _Rule(_BLOCK + r"attn\.w_msa\.qkv\.(\w+)", _NEW_BLOCK + "attention.self.{part}.{2}", ("query", "key", "value")),
    _Rule(_BLOCK + r"attn\.w_msa\.proj\.(\w+)", _NEW_BLOCK + "attention.output.dense.{2}"),
    _Rule(_BLOCK + r"attn\.w_msa\.(relative_position_\w+)", _NEW_BLOCK + "attention.self.{2}"),
    _Rule(_BLOCK + r"norm1\.(\w+)", _NEW_BLOCK + "layernorm_before.{2}"),
    _Rule(_BLOCK + r"norm2\.(\w+)", _NEW_BLOCK + "layernorm_after.{2}"),
    _Rule(_BLOCK + r"ffn\.layers\.0\.0\.(\w+)", _NEW_BLOCK + "intermediate.dense.{2}"),
    _Rule(_BLOCK + r"ffn\.layers\.1\.(\w+)", _NEW_BLOCK + "output.dense.{2}"),
    _Rule(_PIXEL_DECODER + r"input_convs\.(\d+)\.conv\.(\w+)", _PIXELS + "input_projections.{0}.0.{1}"),
    _Rule(_PIXEL_DECODER + r"input_convs\.(\d+)\.gn\.(\w+)", _PIXELS + "input_projections.{0}.1.{1}"),
    _Rule(_PIXEL_DECODER + r"lateral_convs\.0\.conv\.(\w+)", _PIXELS + "adapter_1.0.{0}"),
    _Rule(_PIXEL_DECODER + r"lateral_convs\.0\.gn\.(\w+)", _PIXELS + "adapter_1.1.{0}"),
    _Rule(_PIXEL_DECODER + r"output_convs\.0\.conv\.(\w+)", _PIXELS + "layer_1.0.{0}"),
    _Rule(_PIXEL_DECODER + r"output_convs\.0\.gn\.(\w+)", _PIXELS + "layer_1.1.{0}"),
    _Rule(_PIXEL_DECODER + r"mask_feature\.(\w+)", _PIXELS + "mask_projection.{0}"),
    _Rule(_PIXEL_DECODER + r"level_encoding\.weight", _PIXELS + "level_embed"),
    _Rule(_PIXEL_LAYER + r"self_attn\.(.+)", _NEW_PIXEL_LAYER + "self_attn.{1}"),
    _Rule(_PIXEL_LAYER + r"ffn\.layers\.0\.0\.(\w+)", _NEW_PIXEL_LAYER + "fc1.{1}"),
    _Rule(_PIXEL_LAYER + r"ffn\.layers\.1\.(\w+)", _NEW_PIXEL_LAYER + "fc2.{1}"),
    _Rule(_PIXEL_LAYER + r"norms\.0\.(\w+)", _NEW_PIXEL_LAYER + "self_attn_layer_norm.{1}"),
    _Rule(_PIXEL_LAYER + r"norms\.1\.(\w+)", _NEW_PIXEL_LAYER + "final_layer_norm.{1}"),
    _Rule(_LAYER + r"cross_attn\.attn\.(.+)", _NEW_LAYER + "cross_attn.{1}"),
    _Rule(
        _LAYER + r"self_attn\.attn\.in_proj_(\w+)", _NEW_LAYER + "self_attn.{part}.{1}", ("q_proj", "k_proj", "v_proj")
    ),
    _Rule(_LAYER + r"self_attn\.attn\.out_proj\.(\w+)", _NEW_LAYER + "self_attn.out_proj.{1}"),
    _Rule(_LAYER + r"ffn\.layers\.0\.0\.(\w+)", _NEW_LAYER + "fc1.{1}"),
    _Rule(_LAYER + r"ffn\.layers\.1\.(\w+)", _NEW_LAYER + "fc2.{1}"),
    _Rule(_LAYER + r"norms\.0\.(\w+)", _NEW_LAYER + "cross_attn_layer_norm.{1}"),
    _Rule(_LAYER + r"norms\.1\.(\w+)", _NEW_LAYER + "self_attn_layer_norm.{1}"),
    _Rule(_LAYER + r"norms\.2\.(\w+)", _NEW_LAYER + "final_layer_norm.{1}"),
    _Rule(r"panoptic_head\.transformer_decoder\.post_norm\.(\w+)", _QUERIES + "decoder.layernorm.{0}"),
    _Rule(r"panoptic_head\.query_embed\.weight", _QUERIES + "queries_embedder.weight"),
    _Rule(r"panoptic_head\.query_feat\.weight", _QUERIES + "queries_features.weight"),
    _Rule(r"panoptic_head\.level_embed\.weight", _QUERIES + "level_embed.weight"),
    _Rule(r"panoptic_head\.cls_embed\.(\w+)", "class_predictor.{0}"),
    *(
        _Rule(
            rf"panoptic_head\.mask_embed\.{2 * layer}\.(\w+)",
            _QUERIES + f"decoder.mask_predictor.mask_embedder.{layer}.0.{{0}}",
        )
        for layer in range(3)
    ),
)


def to_transformers(state: Mapping[str, Any]) -> dict[str, Any]:
    """mmdet 3.x weights under transformers' keys; a key that no rule knows stays as it is, and fails a strict load."""
    return {new: tensor for key, value in state.items() for new, tensor in _carry_over(key, value)}


def _carry_over(key: str, value: Any) -> list[tuple[str, Any]]:
    for rule in _RULES:
        match = re.fullmatch(rule.old, key)
        if match is None:
            continue
        if rule.parts:
            pieces = value.chunk(len(rule.parts), dim=0)
            return [
                (rule.new.format(*match.groups(), part=part), piece)
                for part, piece in zip(rule.parts, pieces, strict=True)
            ]
        return [(rule.new.format(*match.groups()), _by_patches(value) if ".downsample." in key else value)]
    return [(key, value)]


def _by_patches(value: Any) -> Any:
    """The merging layer's input, last axis (channels x patches), as (patches x channels)."""
    grouped = value.unflatten(-1, (-1, len(_BY_COLUMNS)))
    return grouped.transpose(-1, -2)[..., _BY_COLUMNS, :].flatten(-2)

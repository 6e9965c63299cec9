"""Reading a Mask2Former checkpoint: key layouts of mmdet 2.x, of mmdet 3.x, and of transformers (4.27 to 4.57).

mmdet 3 renamed the attention and feed-forward modules of both transformer stacks. In the transformer decoder the
order matters: its first attention (``attentions.0``) is the *cross*-attention, as Mask2Former defines it (Cheng et
al. 2022, arXiv 2112.01527, section 3.2), although the layer of a usual decoder begins with self-attention. Both have
the same shapes, so that a swapped pair would load without complaint.

transformers has other names, and two things more. It has query, key and value apart where mmdet has them in one
matrix. Where Swin merges 2 x 2 patches, mmdet lines the four up within each channel, row by row; transformers lines up
the channels within each of the four, column by column.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from wire.protocol import EnvironmentFailure
from wire.untrusted import refuse_tar

_DECODER_LAYER = "panoptic_head.transformer_decoder.layers."
_ENCODER_LAYER = "panoptic_head.pixel_decoder.encoder.layers."
#: (stack, name in mmdet 2.x, name in mmdet 3.x), both within one layer of the stack.
_RENAMED = (
    (_DECODER_LAYER, "attentions.0.attn.", "cross_attn.attn."),
    (_DECODER_LAYER, "attentions.1.attn.", "self_attn.attn."),
    (_DECODER_LAYER, "ffns.0.layers.", "ffn.layers."),
    (_ENCODER_LAYER, "attentions.0.", "self_attn."),
    (_ENCODER_LAYER, "ffns.0.layers.", "ffn.layers."),
)


def to_layout_3(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights under mmdet 3.x keys; a 3.x state dict comes back with the keys it has."""
    return {_rename(key, forward=True): value for key, value in state.items()}


def to_layout_2(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights under mmdet 2.x keys: the inverse of :func:`to_layout_3`."""
    return {_rename(key, forward=False): value for key, value in state.items()}


def _rename(key: str, forward: bool) -> str:
    for stack, second, third in _RENAMED:
        old, new = (second, third) if forward else (third, second)
        if key.startswith(stack):
            layer, _, rest = key[len(stack) :].partition(".")
            if rest.startswith(old):
                return f"{stack}{layer}.{new}{rest[len(old) :]}"
    return key


def read_state(path: Path) -> dict[str, Any]:
    """Weights of a checkpoint file, under mmdet 3.x keys; the file is not changed.

    Only tensors, numbers and plain values are unpickled: no file can run code.
    Raises EnvironmentFailure: not a checkpoint file, or it holds objects that do not belong in one.
    """
    refuse_tar(path)
    torch.serialization.add_safe_globals(_numpy_types())
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise EnvironmentFailure(f"{path}: not a readable checkpoint ({_reason(error)})") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise EnvironmentFailure(f"{path}: holds no state dict; expected a Mask2Former checkpoint of mmdet 2.x or 3.x")
    return to_layout_3(state)


def _numpy_types() -> list[Any]:
    """What unpickles a number or an array of numpy: a checkpoint's notes on its training may hold some."""
    import codecs

    import numpy as np

    numbers = [np.dtype, np.dtypes.Float64DType, np.dtypes.Int64DType]
    return [np.ndarray, *numbers, np.core.multiarray._reconstruct, np.core.multiarray.scalar, codecs.encode]


def _reason(error: BaseException) -> str:
    """One line; of torch's long advice on unpickling only the object that it refused."""
    text = str(error).strip() or type(error).__name__
    kinds = r"(?i:unsupported (?:global|class|operand))"  # in the words of torch 2.4, and of 2.10
    refused = re.search(kinds + r"[^\n]*?(?:GLOBAL )?([\w.]+) (?:was not|whose module)", text)
    return f"it holds a {refused[1]}, which no set of weights needs" if refused else text.splitlines()[0]


def load_strictly(model: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load ``state`` into ``model``: every key must match, and every shape.
    Raises EnvironmentFailure: keys are missing, unknown or of another shape; some are named.
    """
    wanted = model.state_dict()
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unknown": [key for key in state if key not in wanted],
        "of another shape": [key for key in wanted if key in state and wanted[key].shape != state[key].shape],
    }
    found = [
        f"{len(keys)} {kind} ({', '.join([*keys[:3], *['...'] * (len(keys) > 3)])})"
        for kind, keys in faults.items()
        if keys
    ]
    if found:
        raise EnvironmentFailure(f"{path}: these weights are not this detector's: {'; '.join(found)}")
    model.load_state_dict(state, strict=True)


_BLOCK = r"backbone\.stages\.(\d+)\.blocks\.(\d+)\."
_PIXEL_DECODER = r"panoptic_head\.pixel_decoder\."
_PIXEL_LAYER = _PIXEL_DECODER + r"encoder\.layers\.(\d+)\."
_QUERY_LAYER = r"panoptic_head\.transformer_decoder\.layers\.(\d+)\."
_ENCODER = "model.pixel_level_module.encoder."
_NEW_BLOCK = _ENCODER + "encoder.layers.{0}.blocks.{1}."
_PIXELS = "model.pixel_level_module.decoder."
_NEW_PIXEL_LAYER = _PIXELS + "encoder.layers.{0}."
_QUERIES = "model.transformer_module."
_NEW_QUERY_LAYER = _QUERIES + "decoder.layers.{0}."
#: Keys of mmdet 3.x that match the first become the second: ``{0}``... are the first's groups, ``{part}`` each of the
#: parts that follow.
_TO_TRANSFORMERS: tuple[tuple[str, ...], ...] = (
    (r"backbone\.patch_embed\.projection\.(\w+)", _ENCODER + "embeddings.patch_embeddings.projection.{0}"),
    (r"backbone\.patch_embed\.norm\.(\w+)", _ENCODER + "embeddings.norm.{0}"),
    *((rf"backbone\.norm{i}\.(\w+)", _ENCODER + f"hidden_states_norms.stage{i + 1}.{{0}}") for i in range(4)),
    (r"backbone\.stages\.(\d+)\.downsample\.(.+)", _ENCODER + "encoder.layers.{0}.downsample.{1}"),
    (_BLOCK + r"attn\.w_msa\.qkv\.(\w+)", _NEW_BLOCK + "attention.self.{part}.{2}", "query", "key", "value"),
    (_BLOCK + r"attn\.w_msa\.proj\.(\w+)", _NEW_BLOCK + "attention.output.dense.{2}"),
    (_BLOCK + r"attn\.w_msa\.(relative_position_\w+)", _NEW_BLOCK + "attention.self.{2}"),
    (_BLOCK + r"norm1\.(\w+)", _NEW_BLOCK + "layernorm_before.{2}"),
    (_BLOCK + r"norm2\.(\w+)", _NEW_BLOCK + "layernorm_after.{2}"),
    (_BLOCK + r"ffn\.layers\.0\.0\.(\w+)", _NEW_BLOCK + "intermediate.dense.{2}"),
    (_BLOCK + r"ffn\.layers\.1\.(\w+)", _NEW_BLOCK + "output.dense.{2}"),
    (_PIXEL_DECODER + r"input_convs\.(\d+)\.conv\.(\w+)", _PIXELS + "input_projections.{0}.0.{1}"),
    (_PIXEL_DECODER + r"input_convs\.(\d+)\.gn\.(\w+)", _PIXELS + "input_projections.{0}.1.{1}"),
    (_PIXEL_DECODER + r"lateral_convs\.0\.conv\.(\w+)", _PIXELS + "adapter_1.0.{0}"),
    (_PIXEL_DECODER + r"lateral_convs\.0\.gn\.(\w+)", _PIXELS + "adapter_1.1.{0}"),
    (_PIXEL_DECODER + r"output_convs\.0\.conv\.(\w+)", _PIXELS + "layer_1.0.{0}"),
    (_PIXEL_DECODER + r"output_convs\.0\.gn\.(\w+)", _PIXELS + "layer_1.1.{0}"),
    (_PIXEL_DECODER + r"mask_feature\.(\w+)", _PIXELS + "mask_projection.{0}"),
    (_PIXEL_DECODER + r"level_encoding\.weight", _PIXELS + "level_embed"),
    (_PIXEL_LAYER + r"self_attn\.(.+)", _NEW_PIXEL_LAYER + "self_attn.{1}"),
    (_PIXEL_LAYER + r"ffn\.layers\.0\.0\.(\w+)", _NEW_PIXEL_LAYER + "fc1.{1}"),
    (_PIXEL_LAYER + r"ffn\.layers\.1\.(\w+)", _NEW_PIXEL_LAYER + "fc2.{1}"),
    (_PIXEL_LAYER + r"norms\.0\.(\w+)", _NEW_PIXEL_LAYER + "self_attn_layer_norm.{1}"),
    (_PIXEL_LAYER + r"norms\.1\.(\w+)", _NEW_PIXEL_LAYER + "final_layer_norm.{1}"),
    (_QUERY_LAYER + r"cross_attn\.attn\.(.+)", _NEW_QUERY_LAYER + "cross_attn.{1}"),
    (_QUERY_LAYER + r"self_attn\.attn\.in_proj_(\w+)", _NEW_QUERY_LAYER + "self_attn.{part}_proj.{1}", "q", "k", "v"),
    (_QUERY_LAYER + r"self_attn\.attn\.out_proj\.(\w+)", _NEW_QUERY_LAYER + "self_attn.out_proj.{1}"),
    (_QUERY_LAYER + r"ffn\.layers\.0\.0\.(\w+)", _NEW_QUERY_LAYER + "fc1.{1}"),
    (_QUERY_LAYER + r"ffn\.layers\.1\.(\w+)", _NEW_QUERY_LAYER + "fc2.{1}"),
    (_QUERY_LAYER + r"norms\.0\.(\w+)", _NEW_QUERY_LAYER + "cross_attn_layer_norm.{1}"),
    (_QUERY_LAYER + r"norms\.1\.(\w+)", _NEW_QUERY_LAYER + "self_attn_layer_norm.{1}"),
    (_QUERY_LAYER + r"norms\.2\.(\w+)", _NEW_QUERY_LAYER + "final_layer_norm.{1}"),
    (r"panoptic_head\.transformer_decoder\.post_norm\.(\w+)", _QUERIES + "decoder.layernorm.{0}"),
    (r"panoptic_head\.query_embed\.weight", _QUERIES + "queries_embedder.weight"),
    (r"panoptic_head\.query_feat\.weight", _QUERIES + "queries_features.weight"),
    (r"panoptic_head\.level_embed\.weight", _QUERIES + "level_embed.weight"),
    (r"panoptic_head\.cls_embed\.(\w+)", "class_predictor.{0}"),
    *(
        (rf"panoptic_head\.mask_embed\.{2 * i}\.(\w+)", _QUERIES + f"decoder.mask_predictor.mask_embedder.{i}.0.{{0}}")
        for i in range(3)
    ),
)


def to_transformers(state: Mapping[str, Any]) -> dict[str, Any]:
    """mmdet 3.x weights under transformers' keys; a key that no rule knows stays as it is, and fails a strict load."""
    return {new: tensor for key, value in state.items() for new, tensor in _carry_over(key, value)}


def _carry_over(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    rules = ((new, match, parts) for old, new, *parts in _TO_TRANSFORMERS if (match := re.fullmatch(old, key)))
    if not (rule := next(rules, None)):
        yield key, value
        return
    new, match, parts = rule
    if ".downsample." in key:  # last axis: from (channels x patches by rows) to (patches by columns x channels)
        value = value.unflatten(-1, (-1, 4)).transpose(-1, -2)[..., [0, 2, 1, 3], :].flatten(-2)
    pieces = value.chunk(len(parts), dim=0) if parts else [value]
    for part, piece in zip(parts or [""], pieces, strict=True):
        yield new.format(*match.groups(), part=part), piece

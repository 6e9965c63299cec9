"""Reading a Mask2Former checkpoint, in the key layout of mmdet 2.x or of 3.x.

mmdet 3 renamed the attention and feed-forward modules of both transformer stacks. In the transformer decoder the
order matters: its first attention (``attentions.0``) is the *cross*-attention, as Mask2Former defines it (Cheng et
al. 2022, arXiv 2112.01527, section 3.2), although the layer of a usual decoder begins with self-attention. Both have
the same shapes, so that a swapped pair would load without complaint.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

    Raises:
        EnvironmentFailure: not a checkpoint file, or it holds objects that do not belong in one.
    """
    import torch

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


def load_strictly(model: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load ``state`` into ``model``: every key must match, and every shape.

    Raises:
        EnvironmentFailure: keys are missing, unknown or of another shape; some are named.
    """
    wanted = model.state_dict()
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unknown": [key for key in state if key not in wanted],
        "of another shape": [key for key in wanted if key in state and wanted[key].shape != state[key].shape],
    }
    found = [f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in faults.items() if keys]
    if found:
        raise EnvironmentFailure(f"{path}: these weights are not this detector's: {'; '.join(found)}")
    model.load_state_dict(state, strict=True)


def _some(keys: list[str], shown: int = 3) -> str:
    return ", ".join(keys[:shown]) + (", ..." if len(keys) > shown else "")


def _reason(error: BaseException) -> str:
    """One line; of torch's long advice on unpickling only the object that it refused."""
    text = str(error).strip() or type(error).__name__
    refused = re.search(r"Unsupported (?:global|class|operand)[^\n]*?(?:GLOBAL )?([\w.]+) was not", text)
    return f"it holds a {refused[1]}, which no set of weights needs" if refused else text.splitlines()[0]

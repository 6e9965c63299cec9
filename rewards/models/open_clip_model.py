"""An open_clip CLIP whose architecture is read from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import no_init_weights

from rewards.models.layers import padded_length
from rewards.models.loading import load_strictly, read_checkpoint
from wire.errors import EnvironmentFailure

#: Widths of one attention head, which weights do not show: open_clip's ViT-H-14 (1280 / 16 and 1024 / 16).
VISION_HEAD, TEXT_HEAD = 80, 64


def load_open_clip(path: Path) -> nn.Module:
    """The model in float32, strictly loaded from a checkpoint with a ``state_dict``.
    Raises EnvironmentFailure: not such a checkpoint.
    """
    from open_clip.model import CLIP

    checkpoint = read_checkpoint(path)
    try:
        state = checkpoint["state_dict"]
        sizes = architecture(state)
    except (KeyError, TypeError) as error:
        raise EnvironmentFailure(f"{path}: not an open_clip checkpoint (no {error}); fetch it again") from error
    with no_init_weights():  # a billion random numbers would be drawn only to be overwritten
        model = CLIP(**sizes)
    return load_strictly(model, state, path.name)


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """The model's own ``encode_text``, (N, 77) to (N, D), without the positions after the longest text's end token.

    Attention is causal and the end token (the highest number of the vocabulary) is what is read: positions after it
    play no part.
    """
    end = tokens.argmax(dim=-1)
    length = padded_length(int(end.max()) + 1, tokens.shape[1])
    dtype = model.transformer.get_cast_dtype()
    hidden = model.token_embedding(tokens[:, :length]).to(dtype) + model.positional_embedding[:length].to(dtype)
    hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
    return hidden[torch.arange(len(tokens)), end] @ model.text_projection


def architecture(state: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``open_clip.model.CLIP``. Raises KeyError: the state dict is not a ViT CLIP's."""
    patches = state["visual.conv1.weight"]
    grid = round((state["visual.positional_embedding"].shape[0] - 1) ** 0.5)
    vocabulary, text_width = state["token_embedding.weight"].shape
    vision = {
        "image_size": grid * patches.shape[-1],
        "layers": _depth(state, "visual.transformer.resblocks."),
        "width": patches.shape[0],
        "head_width": VISION_HEAD,
        "patch_size": patches.shape[-1],
    }
    text = {
        "context_length": state["positional_embedding"].shape[0],
        "vocab_size": vocabulary,
        "width": text_width,
        "heads": text_width // TEXT_HEAD,
        "layers": _depth(state, "transformer.resblocks."),
    }
    return {"embed_dim": state["text_projection"].shape[1], "vision_cfg": vision, "text_cfg": text}


def _depth(state: Mapping[str, Any], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})

"""The image tower of OpenAI's ``clip`` package, from the published TorchScript archive or a plain state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rewards.models.loading import frozen, read_checkpoint
from wire.errors import EnvironmentFailure


def load_visual(path: Path, device: str, dtype: torch.dtype) -> nn.Module:
    """The package's ``model.visual``: (N, 3, 224, 224) to (N, 768), not normalised.

    ``build_model`` reads the architecture from the weights and loads them strictly, in half precision as published.
    Raises EnvironmentFailure: not a CLIP checkpoint.
    """
    from clip.model import build_model

    try:
        state = torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError:
        state = dict(read_checkpoint(path))
    try:
        visual: Any = frozen(build_model(state).visual, device).to(dtype)
    except (KeyError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EnvironmentFailure(f"{path}: not a checkpoint of OpenAI's CLIP ({reason}); fetch it again") from error
    for module in visual.modules():
        if isinstance(module, nn.LayerNorm):  # the package computes norms in float32 whatever comes in
            module.float()
    return visual

"""OpenAI's CLIP from a file, in open_clip's implementation."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from wire.protocol import EnvironmentFailure
from wire.untrusted import refuse_tar

#: The architecture's name in open_clip; it chooses the tokenizer. Sizes come from the weights.
ARCHITECTURE = "ViT-L-14"


def load_clip(path: Path) -> Any:
    """OpenAI's CLIP in open_clip, its sizes read from the weights; fp32, on the CPU.

    Raises:
        EnvironmentFailure: not a readable file, or not CLIP's weights.
    """
    from open_clip.model import build_model_from_openai_state_dict

    state = _read_clip_state(path)
    try:
        return build_model_from_openai_state_dict(state).float().eval()
    except (KeyError, RuntimeError, AttributeError, ZeroDivisionError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise EnvironmentFailure(f"{path}: these weights are not OpenAI CLIP's ({reason})") from error


def _read_clip_state(path: Path) -> dict[str, Any]:
    import torch

    refuse_tar(path)
    try:
        return dict(torch.jit.load(path, map_location="cpu").state_dict())
    except RuntimeError:  # no TorchScript archive: a plain state dict
        pass
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, TypeError, ValueError) as error:
        raise EnvironmentFailure(f"{path}: neither a TorchScript archive nor a state dict of CLIP") from error

"""Random weights that make scores differ visibly from image to image."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

#: Deviation of a matrix's outputs for unit inputs: above 1, so that small networks do not forget their input.
GAIN = 1.5
#: Deviation of embeddings and biases.
SMALL = 0.1


def randomise(model: nn.Module, seed: int, keep: tuple[str, ...] = (), gain: float = GAIN) -> nn.Module:
    """Fill every parameter from generators of its own, so that no value depends on the order of construction.

    Args:
        model: changed in place; norms stay as they are.
        seed: with a parameter's name, what its values are drawn from.
        keep: names of parameters to leave alone.
    """
    norms = {id(p) for m in model.modules() if "norm" in type(m).__name__.lower() for p in m.parameters(recurse=False)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if id(parameter) not in norms and name not in keep:
                parameter.copy_(_draw(parameter, zlib.crc32(f"{seed}/{name}".encode()), gain))
    return model


def _draw(parameter: torch.Tensor, seed: int, gain: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(parameter.shape, generator=generator)
    matrix = parameter.ndim > 1 and parameter.shape[0] < 20_000  # longer ones are vocabularies
    fan_in = math.prod(parameter.shape[1:])
    return values * (gain / math.sqrt(fan_in) if matrix else SMALL)


def state(model: nn.Module, dtype: torch.dtype = torch.float16) -> dict[str, Any]:
    """The model's state dict in half precision: half the size on disk, and read into any precision exactly."""
    return {
        key: value.to(dtype).clone() if value.is_floating_point() else value.clone()
        for key, value in model.state_dict().items()
    }


def write_linear_head(path: Path, width: int) -> None:
    """The aesthetic predictor's head in its published layout, answering near 5."""
    torch.save(linear_head_state(width, seed=11, center=5.0), path)


def linear_head_state(width: int, seed: int, center: float) -> dict[str, Any]:
    """State dict of the head (keys ``layers.<i>.*``) whose answers lie around ``center``."""
    from rewards.models.linear_head import LinearHead

    head = randomise(LinearHead(width), seed)
    with torch.no_grad():
        head.layers[-1].bias.fill_(center)
    return {key: value.clone() for key, value in head.state_dict().items()}

"""Small parts that several models share: unit vectors, length of padded texts, the linear head of two predictors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from rewards.models.loading import load_strictly

#: Text lengths are rounded up to a multiple, so that a batch's shape seldom depends on its prompts.
STEP = 16
#: Positions of the head's linear layers; those between held dropout in training.
_LINEAR = (0, 2, 4, 6, 7)


def unit(features: torch.Tensor) -> torch.Tensor:
    """(N, D) in any format to float32 rows of length one."""
    features = features.float()
    return features / features.norm(dim=-1, keepdim=True)


def padded_length(longest: int, context: int) -> int:
    """The longest text's tokens, rounded up to a multiple of :data:`STEP`, at most the model's context."""
    return min(context, -(-longest // STEP) * STEP)


class LinearHead(nn.Module):
    """The regression head of the aesthetic predictor and of ImageReward, without activations.

    input - 1024 - 128 - 64 - 16 - 1; (N, input) to (N, 1).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (width, 1024, 128, 64, 16, 1)
        linear = {at: nn.Linear(sizes[i], sizes[i + 1]) for i, at in enumerate(_LINEAR)}
        self.layers = nn.Sequential(*(linear.get(at, nn.Identity()) for at in range(_LINEAR[-1] + 1)))

    def forward(self, features: Any) -> Any:
        """Apply the layers."""
        return self.layers(features)


def load_linear_head(state: Mapping[str, Any], what: str) -> LinearHead:
    """A head with the weights of ``state`` (keys ``layers.<i>.weight|bias``).
    Raises EnvironmentFailure: other keys or shapes.
    """
    first = state.get("layers.0.weight")
    return load_strictly(LinearHead(768 if first is None else first.shape[1]), state, what)

"""The regression head that the aesthetic predictor and ImageReward share: linear layers without activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from rewards.models.loading import load_strictly

#: Positions of the linear layers; those between held dropout in training.
_LINEAR = (0, 2, 4, 6, 7)


class LinearHead(nn.Module):
    """input - 1024 - 128 - 64 - 16 - 1; (N, input) to (N, 1)."""

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

    Raises:
        EnvironmentFailure: other keys or shapes.
    """
    first = state.get("layers.0.weight")
    width = first.shape[1] if first is not None else 768
    return load_strictly(LinearHead(width), state, what)

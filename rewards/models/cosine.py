"""Paired cosine similarity."""

from __future__ import annotations

import torch


def unit(features: torch.Tensor) -> torch.Tensor:
    """(N, D) in any format to float32 rows of length one."""
    features = features.float()
    return features / features.norm(dim=-1, keepdim=True)


def paired_cosine(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Row by row: (N, D) and (N, D) unit vectors to (N,)."""
    return (images * texts).sum(dim=-1)

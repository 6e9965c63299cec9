"""How exactly the detector's numbers are those of the reference."""

from __future__ import annotations

from functools import partial
from typing import Any

#: ``exact``: every operation of mmdet, in its order; the bits of ``mmdet.apis.inference_detector`` on the same device.
#: ``fp32``: the same arithmetic in a cheaper order. ``bf16``: matrix products and convolutions in bfloat16.
PRECISIONS = ("fp32", "exact", "bf16")
#: Small layers whose outputs decide: classes, masks, and where deformable attention looks. They stay in fp32.
_DECIDING = ("cls_embed", "class_predictor", "mask_embed", "sampling_offsets")


def to_bfloat16(model: Any) -> None:
    """Let linear layers and convolutions compute in bfloat16; what is between them stays in fp32.

    Weights are converted once: autocast would convert them anew at each call, which on a CPU costs more than it saves.
    Sums, norms and coordinates keep their precision; so do the layers that decide.
    """
    import torch

    attentions = [module for module in model.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    untouched = {id(part) for attention in attentions for part in attention.modules()}  # they read their weights apart
    for name, module in model.named_modules():
        product = isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
        if product and id(module) not in untouched and not any(part in name for part in _DECIDING):
            forward = module.to(torch.bfloat16).forward
            module.forward = partial(_in_bfloat16, forward)


def _in_bfloat16(forward: Any, value: Any) -> Any:
    import torch

    return forward(value.to(torch.bfloat16)).float()

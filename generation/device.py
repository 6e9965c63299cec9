"""Which device a worker computes on."""

from __future__ import annotations

import gc
from typing import Any

from wire.allocator import return_freed_memory
from wire.gpus import choose_device


def torch_device(name: str) -> Any:
    """The ``torch.device`` of that name, see :func:`wire.gpus.choose_device`, which gives the same bytes each time."""
    import torch

    torch.backends.cudnn.deterministic = True  # for the VAE's convolutions
    return torch.device(choose_device(name))


def device_name(device: Any) -> str:
    """For the manifest: the GPU's model, or ``cpu``."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def free_memory() -> None:
    """Give back what dropped models took, on the GPU too."""
    import torch

    gc.collect()
    return_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

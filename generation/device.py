"""Which device a worker computes on."""

from __future__ import annotations

import gc
import re
from typing import Any

from wire.allocator import return_freed_memory
from wire.protocol import EnvironmentFailure, UserError


def choose_device(name: str) -> Any:
    """The ``torch.device`` of that name; ``auto`` is the first GPU, or else the CPU.

    Raises:
        UserError: not a device's name.
        EnvironmentFailure: a GPU is demanded and not there.
    """
    import torch

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UserError(f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:N")
    # The same bytes each time, the VAE's convolutions included.
    torch.backends.cudnn.deterministic = True
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= present:
        raise EnvironmentFailure(
            f"device {name} was demanded, but PyTorch sees {present} CUDA devices here; "
            "use --device cpu, or check the driver with nvidia-smi"
        )
    return device


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

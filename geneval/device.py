"""Choosing the device, and telling an unusable one from a bad image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from wire.protocol import EnvironmentFailure, UserError


def resolve_device(wanted: str) -> str:
    """``cpu``, ``cuda`` or ``cuda:N`` for ``auto`` (a GPU where there is one) or a device demanded by name.

    Raises:
        UserError: not a device name.
        EnvironmentFailure: the GPU demanded is not there.
    """
    if not isinstance(wanted, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise UserError(f"unknown device {wanted!r}: choose auto, cpu, cuda or cuda:N")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda" if count else "cpu"
    if wanted != "cpu" and int(wanted.partition(":")[2] or 0) >= count:
        raise EnvironmentFailure(f"device {wanted} was demanded but torch sees {count} GPUs: use --device auto or cpu")
    return wanted


@contextmanager
def device_faults_are_fatal() -> Iterator[None]:
    """Turn a CUDA error into :class:`EnvironmentFailure`: it fails on every image, and the process cannot recover."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if "no kernel image is available" in text:
            raise EnvironmentFailure(
                "the GPU's architecture is missing from a compiled library (no kernel image is available): "
                "rebuild the geneval environment on this machine, or use --device cpu"
            ) from error
        if "out of memory" in text:
            raise EnvironmentFailure("the GPU's memory is full: free some, or use a smaller --batch-size") from error
        if "CUDA error" in text:
            raise EnvironmentFailure(f"the GPU failed: {text.splitlines()[0]}") from error
        raise

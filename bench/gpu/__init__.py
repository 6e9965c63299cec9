"""Measurements that need a GPU: README.md beside this says what they are and how to take them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def clock(device: Any, function: Callable[[], object], times: int = 1) -> float:
    """Seconds of one of so many calls, the GPU's work included; a call before them warms up (and compiles)."""
    import torch

    function()
    _wait(torch, device)
    started = time.perf_counter()
    for _ in range(times):
        function()
    _wait(torch, device)
    return (time.perf_counter() - started) / times


def _wait(torch: Any, device: Any) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def chosen_device(name: str) -> Any:
    """The ``torch.device`` of that name; ends the program where it is a GPU and PyTorch sees none."""
    import torch

    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU here")
    return torch.device(name)


def say(line: str) -> None:
    """To standard output, at once."""
    print(line, flush=True)  # noqa: T201 - what a measurement is for

"""An interpreter that misbehaves: ``python inject.py FAULT LAUNCHER MODULE ARGUMENTS``, in a worker's place."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Arrange the fault, then run the module as the real interpreter would."""
    fault, launcher, *rest = sys.argv[1:]
    if fault == "idle":
        return
    if fault == "garbage":
        os.write(1, b'\x1b[31mnoise\xff\n[1, 2]\nnull\n{"event": "progress", "done": "many"}\n')
    if fault == "memory":
        _fail_every_forward(MemoryError())
    if fault == "device-memory":
        import torch

        _fail_every_forward(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    if launcher.endswith("launch.py"):
        sys.argv, sys.path[0] = rest, str(Path(launcher).parents[1])
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)


def _fail_every_forward(error: BaseException) -> None:
    import torch

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    torch.nn.Module.__call__ = fail  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    main()

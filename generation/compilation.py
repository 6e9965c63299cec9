"""``--compile``: MIRO's network through ``torch.compile``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wire.protocol import UserError

_COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch")


def compiled(network: Any, backend: Any = "inductor") -> Any:
    """The network as one graph for one shape, compiled at the first call; its own attributes keep working."""
    import torch

    return torch.compile(network, fullgraph=True, dynamic=False, backend=backend)


@contextmanager
def compile_errors() -> Iterator[None]:
    """Turn a failed compilation, for lack of a C++ compiler for example, into one line."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(_COMPILERS):
            raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--compile: the network cannot be compiled here ({type(error).__name__}: {reason}); leave --compile away"
        ) from error

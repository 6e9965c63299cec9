"""What every way of making images offers, so that the worker need not know which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Protocol

from generation.batches import Batch
from harness.protocol import UserError

#: Called with what is being prepared.
Say = Callable[[str], None]


class Backend(Protocol):
    """A loaded generator of images."""

    #: Goes into ``run.json``: device, packages, weights, precision, hparams.
    provenance: dict[str, Any]

    def prepare(self, batches: Sequence[Batch], say: Say) -> None:
        """Do once what all batches share; called before the first ``make``."""
        ...

    def make(self, batch: Batch) -> Sequence[Any]:
        """Images of ``batch.items``: uint8 arrays (height, width, 3), RGB.

        Raises:
            UserError: the batch does not fit into memory, or the model's answer is not an image.
        """
        ...


def package_versions(*names: str) -> dict[str, str]:
    """For the manifest."""
    return {name: version(name) for name in names}


@contextmanager
def memory_errors(device: Any, size: int) -> Iterator[None]:
    """Turn PyTorch's out-of-memory error into ours."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(f"out of memory on {device} with batch size {size}; use a smaller one") from error

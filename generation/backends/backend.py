"""What every way of making images offers, so that the worker need not know which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Protocol

from generation.batches import Batch
from wire.protocol import UserError

#: Called with what is being prepared.
Say = Callable[[str], None]


class OutOfMemory(UserError):
    """A batch does not fit into the device's memory."""


class Backend(Protocol):
    """A loaded generator of images."""

    #: Goes into ``run.json``: device, packages, weights, precision, hparams.
    provenance: dict[str, Any]
    #: Whether its memory is the first GPU's.
    uses_gpu: bool

    def prepare(self, batches: Sequence[Batch], say: Say, warn: Say) -> None:
        """Do once what all ``batches`` share, before the first ``make``; their cut may still change."""
        ...

    def probe(self, batch: Batch) -> None:
        """Take the memory that ``make`` would take, in as little time as that can be had.

        Raises:
            OutOfMemory: it is not there.
        """
        ...

    def make(self, batch: Batch) -> Sequence[Any]:
        """Images of ``batch.items``: uint8 arrays (height, width, 3), RGB.

        Raises:
            OutOfMemory: the batch does not fit into memory.
            UserError: the model's answer is not an image.
        """
        ...


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of these packages, by name, for the manifest."""
    return {name: version(name) for name in names}


@contextmanager
def memory_errors(device: Any, size: int) -> Iterator[None]:
    """Turn an out-of-memory error of Python or PyTorch into ours."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"out of memory on {device} with batch size {size}; use a smaller one (of a run that has images already, "
            "in another --out: one run has one batch size)"
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    """PyTorch has a class of its own for it on a GPU only."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or "can't allocate memory" in str(error)

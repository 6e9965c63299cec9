"""Ways of making images, one file each, all with one interface, so that the worker need not know which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Protocol

from generation.batches import Batch
from generation.checkpoint_kinds import DIFFUSERS, GENERATOR, IMAGES, CheckpointSource
from generation.parameters import Parameters
from wire.protocol import UserError

#: Called with what is being prepared.
Say = Callable[[str], None]


class OutOfMemory(UserError):
    """A batch does not fit into the device's memory."""


class Backend(Protocol):
    """A loaded generator of images."""

    #: Goes into ``run.json``: device, packages, weights, precision, hparams.
    provenance: dict[str, Any]
    #: The GPU whose memory it takes, e.g. ``cuda:0``; None for the CPU's.
    gpu: str | None

    def prepare(self, batches: Sequence[Batch], say: Say, warn: Say) -> None:
        """Do once what all ``batches`` share, before the first ``make``; their cut may still change."""
        ...

    def probe(self, batch: Batch) -> None:
        """Take the memory that ``make`` would take, in as little time as that can be had.
        Raises OutOfMemory: it is not there.
        """
        ...

    def make(self, batch: Batch) -> Sequence[Any]:
        """Images of ``batch.items``: uint8 arrays (height, width, 3), RGB.
        Raises OutOfMemory: the batch does not fit into memory; UserError: the model's answer is not an image.
        """
        ...


def open_backend(source: CheckpointSource, parameters: Parameters) -> Backend:
    """Load what ``source`` names.
    Raises UserError: it cannot be loaded, or the parameters do not fit it; EnvironmentFailure: weights or the device
    cannot be had.
    """
    if source.kind == IMAGES:
        raise UserError(f"{source.path}: these images exist already; judge them with geneval, rewards or all")
    if source.kind == GENERATOR:
        from generation.backends.own_function import OwnFunctionBackend

        return OwnFunctionBackend(source, parameters)
    if source.kind == DIFFUSERS:
        from generation.backends.diffusers_pipeline import DiffusersBackend

        return DiffusersBackend(source, parameters)
    from generation.backends.miro import MiroBackend

    return MiroBackend(source, parameters)


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of these packages, by name, for the manifest."""
    return {name: version(name) for name in names}


@contextmanager
def memory_errors(device: Any, size: int) -> Iterator[None]:
    """Turn an out-of-memory error into ours; PyTorch has a class of its own for it on a GPU only."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        if not known and "can't allocate memory" not in str(error):
            raise
        hint = "use a smaller one (of a run that has images already, in another --out: one run has one batch size)"
        if size == 1:
            hint = "free some of its memory, or use a device that has more"
        raise OutOfMemory(f"out of memory on {device} with batch size {size}; {hint}") from error

"""Ways of making images, one file each, all with one interface."""

from __future__ import annotations

from generation.backends.backend import Backend
from generation.checkpoint_kinds import DIFFUSERS, GENERATOR, IMAGES, CheckpointSource
from generation.parameters import Parameters
from wire.protocol import UserError

__all__ = ["Backend", "open_backend"]


def open_backend(source: CheckpointSource, parameters: Parameters) -> Backend:
    """Load what ``source`` names.

    Raises:
        UserError: it cannot be loaded, or the parameters do not fit it.
        EnvironmentFailure: weights or the device cannot be had.
    """
    if source.kind == IMAGES:
        raise UserError(f"{source.path}: these images are made already; judge them with geneval, rewards or all")
    if source.kind == GENERATOR:
        from generation.backends.own_function import OwnFunctionBackend

        return OwnFunctionBackend(source, parameters)
    if source.kind == DIFFUSERS:
        from generation.backends.diffusers_pipeline import DiffusersBackend

        return DiffusersBackend(source, parameters)
    from generation.backends.miro import MiroBackend

    return MiroBackend(source, parameters)

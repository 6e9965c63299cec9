"""The parameters of a generation job: the user's settings, and what only a worker is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generation.batches import Sweep
from generation.checkpoint_kinds import CheckpointSource, describe_source
from generation.noise import UPSTREAM
from generation.settings import GenerationSettings
from wire.errors import UserError
from wire.settings import read


@dataclass(frozen=True)
class Parameters(GenerationSettings):
    """What a generation job asks for."""

    #: Of the checkpoint, see :mod:`generation.checkpoint_kinds`, or ``auto``; a job's name for the backend.
    kind: str = "auto"
    revision: str | None = None
    generator_folder: str | None = None
    #: sha256 of the checkpoint's files by name; empty for a repository, and to take whatever is there.
    planned: dict[str, str] = field(default_factory=dict)
    #: For upstream's noise, see :class:`generation.batches.Sweep`.
    sweep: dict[str, Any] | None = None
    device: str = "auto"
    #: Folder that keeps text embeddings for later runs; None to keep none.
    text_cache: str | None = None
    #: Written into the images.
    run_id: str = ""

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Parameters:
        """Check a job's parameters. Raises UserError: one is unknown, missing, or out of its range."""
        parameters = read(cls, record, "generation parameter")
        if not (parameters.checkpoint or parameters.generator):
            raise UserError("no checkpoint given")
        parameters.check()
        if parameters.noise == UPSTREAM:
            Sweep.parse(parameters.sweep)
        return parameters

    def source(self) -> CheckpointSource:
        """What makes the images. Raises UserError: it is not there, or not what it should be."""
        folder = Path(self.generator_folder) if self.generator_folder else None
        return describe_source(self.checkpoint, self.kind, self.revision, self.variant, self.generator, folder)

    @property
    def fixed_batch_size(self) -> int:
        """The batch size, where it is not ``auto``."""
        return int(self.batch_size or 0)

    @property
    def parsed_sweep(self) -> Sweep:
        """The sweep; only upstream's noise has one."""
        return Sweep.parse(self.sweep)

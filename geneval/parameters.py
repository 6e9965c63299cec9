"""The parameters of a geneval job: the user's settings, and what only a worker gets; checked before loading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geneval.detectors import Execution
from geneval.judge import JudgeOptions
from geneval.settings import CPU_BATCH, GPU_BATCH, ColorOptions, GenevalSettings
from wire.protocol import EnvironmentFailure, UserError
from wire.settings import read

#: Weight files the worker needs, by the names they go by in ``parameters["files"]``.
WEIGHTS = ("mask2former", "clip-vit-l-14")


@dataclass(frozen=True)
class Parameters(GenevalSettings):
    """What a geneval job asks for."""

    #: Path of each of ``WEIGHTS``.
    files: dict[str, Path] = field(default_factory=dict)
    #: mmdet config file; None for the real Swin-S one that mmdet ships.
    detector_config: Path | None = None
    #: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    device: str = "auto"

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Parameters:
        """Check a job's parameters. Raises UserError: one is unknown, missing or out of range."""
        config = record.get("detector_config")
        given: dict[str, Any] = {
            "files": _files(record.get("files")),
            "detector_config": None if config is None else Path(config),
            "options": read(JudgeOptions, _mapping(record, "options"), "judge option"),
            "color_options": read(ColorOptions, _mapping(record, "color_options"), "color option"),
        }
        parameters = read(cls, {**record, **given}, "geneval parameter")
        parameters.check()
        return parameters

    def execution(self, device: str) -> Execution:
        """How the detector computes on a device (``cpu`` or ``cuda[:N]``)."""
        return Execution(device, self.precision, self.batch_size or (CPU_BATCH if device == "cpu" else GPU_BATCH))

    def check_files(self) -> None:
        """See that all files are there.
        Raises EnvironmentFailure, UserError: a weight is missing; the detector's config is.
        """
        for name, path in self.files.items():
            if not path.is_file():
                raise EnvironmentFailure(f"weight {name} is not at {path}: fetch the weights first")
        if self.detector_config and not self.detector_config.is_file():
            raise UserError(f"no detector config at {self.detector_config}")


def _files(files: Any) -> dict[str, Path]:
    if not isinstance(files, dict):
        raise UserError(f'geneval parameter "files" must name the weights {", ".join(WEIGHTS)}')
    missing = [name for name in WEIGHTS if not isinstance(files.get(name), str)]
    if missing:
        raise UserError(f'geneval parameter "files" does not say where {missing[0]} is')
    return {name: Path(files[name]) for name in WEIGHTS}


def _mapping(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parameters.get(name) or {}
    if not isinstance(value, dict):
        raise UserError(f'geneval parameter "{name}" must be an object, not {value!r}')
    return value


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

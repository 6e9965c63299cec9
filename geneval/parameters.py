"""The parameters of a geneval job: the user's settings, and what only a worker is told; checked before loading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geneval.detectors.mask2former import Execution
from geneval.judge import JudgeOptions
from geneval.settings import CPU_BATCH, GPU_BATCH, ColorOptions, GenevalSettings
from wire.protocol import EnvironmentFailure, UserError
from wire.settings import read

#: Weight files the worker needs, by the names they go by in ``parameters["files"]``.
WEIGHTS = ("mask2former", "clip-vit-l-14")


@dataclass(frozen=True)
class Parameters(GenevalSettings):
    """What a geneval job asks for.

    Attributes:
        files: path of each of ``WEIGHTS``.
        detector_config: mmdet config file; None for the real Swin-S one that mmdet ships.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    files: dict[str, Path] = field(default_factory=dict)
    detector_config: Path | None = None
    device: str = "auto"

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Parameters:
        """Check a job's parameters.

        Raises:
            UserError: one is unknown, missing or out of range.
        """
        config = record.get("detector_config")
        given: dict[str, Any] = {
            "files": _files(record.get("files")),
            "detector_config": None if config is None else Path(config),
            "options": JudgeOptions.from_mapping(_mapping(record, "options")),
            "color_options": ColorOptions.from_mapping(_mapping(record, "color_options")),
        }
        parameters = read(cls, {**record, **given}, "geneval parameter")
        parameters.check()
        return parameters

    def execution(self, device: str) -> Execution:
        """How the detector computes on a device (``cpu`` or ``cuda[:N]``)."""
        return Execution(device, self.precision, self.batch_size or (CPU_BATCH if device == "cpu" else GPU_BATCH))

    def check_files(self) -> None:
        """See that all files are there.

        Raises:
            EnvironmentFailure: a weight is missing.
            UserError: the detector's config is missing.
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

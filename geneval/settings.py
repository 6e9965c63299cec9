"""The worker's parameters, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geneval.color import ColorOptions
from geneval.detectors import DETECTORS
from geneval.detectors.mask2former import Execution
from geneval.detectors.precision import PRECISIONS, check_precision
from geneval.judge import JudgeOptions, check_metadata
from wire.protocol import EnvironmentFailure, Item, UserError

#: Weight files the worker needs, by the names they go by in ``parameters["files"]``.
WEIGHTS = ("mask2former", "clip-vit-l-14")
_PARAMETERS = (
    "files", "detector", "detector_config", "precision", "batch_size", "options", "color_options", "device",
)  # fmt: skip
#: Images in a forward pass where none are demanded: a CPU gains nothing from more, a GPU idles on one.
CPU_BATCH, GPU_BATCH = 1, 8


@dataclass(frozen=True)
class Settings:
    """The parameters of a job.

    Attributes:
        files: path of each of ``WEIGHTS``.
        detector: one of ``DETECTORS``.
        detector_config: mmdet config file; None for the real Swin-S one that mmdet ships.
        precision: one of ``PRECISIONS``, of the detector.
        batch_size: images in a forward pass; None for what suits the device.
        options: the judge's thresholds.
        color_options: how objects are shown to CLIP.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    files: dict[str, Path]
    detector: str
    detector_config: Path | None
    precision: str
    batch_size: int | None
    options: JudgeOptions
    color_options: ColorOptions
    device: str

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Settings:
        """Read a job's parameters.

        Raises:
            UserError: one is unknown, missing or out of range.
        """
        unknown = [name for name in parameters if name not in _PARAMETERS]
        if unknown:
            raise UserError(f"unknown geneval parameter {unknown[0]!r}: choose from {', '.join(_PARAMETERS)}")
        config = parameters.get("detector_config")
        return cls(
            files=_files(parameters.get("files")),
            detector=check_detector(parameters.get("detector", DETECTORS[0])),
            detector_config=None if config is None else Path(config),
            precision=check_precision(parameters.get("precision", PRECISIONS[0])),
            batch_size=check_batch_size(parameters.get("batch_size")),
            options=JudgeOptions.from_mapping(_mapping(parameters, "options")),
            color_options=ColorOptions.from_mapping(_mapping(parameters, "color_options")),
            device=parameters.get("device", "auto"),
        )

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


def check_detector(name: Any) -> str:
    """The name of a detector.

    Raises:
        UserError: it is none.
    """
    if name not in DETECTORS:
        raise UserError(f"unknown detector {name!r}: choose {' or '.join(DETECTORS)}")
    return str(name)


def check_batch_size(size: Any) -> int | None:
    """A number of images, or None.

    Raises:
        UserError: it is neither.
    """
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 1):
        return size
    raise UserError(f"geneval batch size must be a whole number from 1, not {size!r}")


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


def check_items(items: Sequence[Item]) -> None:
    """See that every prompt carries what GenEval judges by.

    Raises:
        UserError: one does not; the message names the first.
    """
    for item in items:
        fault = check_metadata(item.metadata)
        if fault:
            raise UserError(
                f"{item.filename}: its prompt cannot be judged by GenEval ({fault}); "
                "run the geneval stage on GenEval's suite, or leave it out"
            )

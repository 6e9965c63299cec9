"""The options that say how images are judged, for every verb that judges; names as in ``geneval``'s settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from harness.run.settings import GenevalSettings
from wire.errors import UserError

Confidence = Annotated[float | None, typer.Option(help="a detection counts above this score [default: 0.3]")]
Counting = Annotated[float | None, typer.Option(help="the same for counting prompts [default: 0.9]")]
MaxObjects = Annotated[int | None, typer.Option(help="detections kept of a class, best first [default: 16]")]
MaxOverlap = Annotated[
    float | None, typer.Option(help="IoU with a better detection of its class that drops one [default: 1, off]")
]
Position = Annotated[
    float | None, typer.Option(help="share of two boxes' sizes that their offset must exceed [default: 0.1]")
]
Crop = Annotated[bool | None, typer.Option(help="show CLIP an object's box, or the whole image [default: crop]")]
Background = Annotated[str | None, typer.Option(help='color around an object, or "original" [default: #999]')]
Detector = Annotated[
    str, typer.Option(help="mmdet (the reference) or transformers (the same weights, no mmcv): who runs Mask2Former")
]
_PRECISION = "of the detector: fp32, exact (mmdet's bits on the same device, slower) or bf16 (AMX, AVX512-BF16, GPUs)"
DetectorPrecision = Annotated[str, typer.Option("--detector-precision", help=_PRECISION)]
#: The same where no other model has a precision.
Precision = Annotated[str, typer.Option("--precision", "--detector-precision", help=_PRECISION)]
_BATCH_SIZE = "images per forward pass of the detector [default: 1 on a CPU, 8 on a GPU]"
DetectorBatchSize = Annotated[int | None, typer.Option("--detector-batch-size", min=1, help=_BATCH_SIZE)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", "--detector-batch-size", min=1, help=_BATCH_SIZE)]

#: The only detector that mmcv and mmdet are for.
_NEEDS_MMCV = "mmdet"

JUDGE = ("confidence_threshold", "counting_threshold", "max_objects", "max_overlap", "position_threshold")
COLORS = ("crop", "background")


def geneval_settings(values: Mapping[str, Any]) -> GenevalSettings:
    """The GenEval part of a verb's options, by name; an option that the verb does not have keeps its default."""
    return GenevalSettings(
        options=_given(values, JUDGE),
        color_options=_given(values, COLORS),
        detector=values.get("detector", GenevalSettings.detector),
        precision=values.get("detector_precision", GenevalSettings.precision),
        batch_size=values.get("detector_batch_size"),
    )


def environment_backend(detector: str, requested: str) -> str:
    """The kind of environment that a detector asks for, where the user demands none: one without mmcv will do for
    ``transformers``, but where the whole one is there already it serves.

    Raises:
        UserError: the kind demanded lacks what the detector needs.
    """
    from harness.environments import no_mmcv
    from harness.environments.manager import find_spec, locate

    if detector == _NEEDS_MMCV and requested == no_mmcv.NAME:
        raise UserError(f"--env-backend {no_mmcv.NAME} leaves mmdet out: add --detector transformers")
    if detector == _NEEDS_MMCV or requested != "auto" or locate(find_spec("geneval")).ready:
        return requested
    return no_mmcv.NAME


def _given(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) is not None}

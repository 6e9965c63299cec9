"""What a user can set about verdicts; standard library only at import, used on both sides of the process wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from geneval.detectors import DETECTORS
from geneval.detectors.precision import PRECISIONS
from geneval.judge import JudgeOptions
from wire.errors import UserError
from wire.settings import check, group, option, read, values

#: Images in a forward pass where none are demanded: a CPU gains nothing from more, a GPU idles on one.
CPU_BATCH, GPU_BATCH = 1, 8

_judging = partial(option, panel="Judging")


@dataclass(frozen=True)
class ColorOptions:
    """How an object is shown to CLIP; the defaults are the reference implementation's.

    Without ``crop`` the whole image is shown. ``background`` is the color of the pixels outside the object's mask, in
    any notation that Pillow knows, or ``original`` to leave them as they are.
    """

    crop: bool = _judging(True, "show CLIP an object's box, or the whole image", open=True, unset="crop")
    background: str = _judging("#999", 'color around an object, or "original"', open=True)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> ColorOptions:
        """Options by name; what is absent keeps its default.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        options = read(cls, given, "color option")
        options.check()
        return options

    def check(self) -> None:
        """See that both are what they should be.

        Raises:
            UserError: one is not; the message names it.
        """
        check(self)
        if not _is_color(self.background):
            raise UserError(f'--background {self.background!r}: expected "original" or a color')


def _is_color(value: str) -> bool:
    if value in ("original", ColorOptions.background):
        return True
    from PIL import ImageColor

    try:
        return bool(ImageColor.getrgb(value))
    except ValueError:
        return False


@dataclass(frozen=True)
class GenevalSettings:
    """How images are judged: the judge's thresholds, how objects are shown to CLIP, and how the detector computes.

    The detectors are two implementations of one model.
    """

    options: JudgeOptions = group(JudgeOptions)
    color_options: ColorOptions = group(ColorOptions)
    detector: str = _judging(
        next(iter(DETECTORS)), choices=tuple(DETECTORS),
        help="mmdet (the reference) or transformers (the same weights, no mmcv): who runs Mask2Former",
    )  # fmt: skip
    precision: str = _judging(
        PRECISIONS[0],
        "of the detector: fp32, exact (mmdet's bits on the same device, slower) or bf16 (AMX, AVX512-BF16, GPUs)",
        name="detector-precision", alone="precision", choices=PRECISIONS,
    )  # fmt: skip
    batch_size: int | None = _judging(
        None, "images per forward pass of the detector", name="detector-batch-size", alone="batch-size", low=1,
        unset=f"{CPU_BATCH} on a CPU, {GPU_BATCH} on a GPU",
    )  # fmt: skip

    def check(self) -> None:
        """See that every setting is of its kind and in its range.

        Raises:
            UserError: one is not; the message names it.
        """
        check(self)
        check(self.options)
        self.color_options.check()

    def chosen(self) -> dict[str, Any]:
        """What differs from the defaults, as a job and ``run.json`` have it: to name a default is to choose nothing.

        Raises:
            UserError: a value out of its range.
        """
        self.check()
        found: dict[str, Any] = {"options": _differing(self.options)}
        if crops := _differing(self.color_options):
            found["color_options"] = crops
        return found | {name: value for name, value in values(self).items() if value != getattr(GenevalSettings, name)}


def _differing(options: JudgeOptions | ColorOptions) -> dict[str, Any]:
    defaults = asdict(type(options)())
    return {name: value for name, value in asdict(options).items() if value != defaults[name]}

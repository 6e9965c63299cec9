"""What a user can set about verdicts; standard library only at import, used on both sides of the process wall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

from geneval.detectors import DETECTORS, PRECISIONS
from geneval.judge import JudgeOptions, check_metadata, is_for_geneval
from wire.errors import UserError
from wire.settings import faults, group, option, values

#: Images in a forward pass where none are demanded: a CPU gains nothing from more, a GPU idles on one.
CPU_BATCH, GPU_BATCH = 1, 8

_judging = partial(option, panel="Judging")


@dataclass(frozen=True)
class ColorOptions:
    """How an object is shown to CLIP; the defaults are the reference implementation's.

    Without ``crop`` the whole image is shown. ``background`` is the color of the pixels outside the object's mask, in
    any notation that Pillow knows, or ``original`` to leave them as they are.
    """

    crop: bool = _judging(True, "show CLIP each object's crop, or the whole image", open=True, unset="crop")
    background: str = _judging("#999", 'color around an object, or "original"', open=True)

    def faults(self) -> Iterator[str]:
        """What is wrong, a line for each option."""
        yield from faults(self)
        if isinstance(self.background, str) and not _is_color(self.background):
            yield f'--background {self.background!r}: expected "original" or a color, as "gray" or "#808080"'


def _is_color(value: str) -> bool:
    if value in ("original", ColorOptions.background):
        return True
    from PIL import ImageColor

    try:
        return max(ImageColor.getrgb(value)) <= 255
    except ValueError:
        return False


@dataclass(frozen=True)
class GenevalSettings:
    """How images are judged: the judge's thresholds, how objects are shown to CLIP, and how the detector computes."""

    options: JudgeOptions = group(JudgeOptions)
    color_options: ColorOptions = group(ColorOptions)
    detector: str = _judging(
        next(iter(DETECTORS)), choices=tuple(DETECTORS),
        help="what runs Mask2Former: mmdet (the reference) or transformers (the same weights, without mmcv)",
    )  # fmt: skip
    precision: str = _judging(
        PRECISIONS[0],
        "detector: fp32, exact (mmdet's bits on the same device, slower) or bf16 (AMX, AVX512-BF16, GPUs)",
        name="detector-precision", alone="precision", choices=PRECISIONS,
    )  # fmt: skip
    batch_size: int | None = _judging(
        None, "images per forward pass of the detector", name="detector-batch-size", alone="batch-size", low=1,
        unset=f"{CPU_BATCH} on a CPU, {GPU_BATCH} on a GPU",
    )  # fmt: skip

    def faults(self) -> Iterator[str]:
        """What is wrong, a line for each option that has not a value of its kind and in its range."""
        yield from faults(self)
        yield from faults(self.options)
        yield from self.color_options.faults()

    def check(self) -> None:
        """See that every setting is of its kind and in its range.
        Raises UserError: one is not; the message names it.
        """
        for fault in self.faults():
            raise UserError(fault)

    def chosen(self) -> dict[str, Any]:
        """What differs from the defaults, as a job and ``run.json`` have it: to name a default is to choose nothing.
        Raises UserError: a value out of its range.
        """
        self.check()
        found: dict[str, Any] = {"options": _differing(self.options)}
        if crops := _differing(self.color_options):
            found["color_options"] = crops
        return found | {name: value for name, value in values(self).items() if value != getattr(GenevalSettings, name)}


class Validation(NamedTuple):
    """What is known of a GenEval stage before anything is made."""

    faults: list[str]  #: what keeps it from running, a line each
    unscored: dict[int, str]  #: lines of the suite, from 0, whose images will have no verdict -> why


def validate(settings: GenevalSettings, lines: Sequence[Mapping[str, Any]]) -> Validation:
    """Everything that is wrong with the settings, and with which lines of the suite; loads no model, starts nothing."""
    wrong = [*settings.faults()]
    unscored = {number: fault for number, line in enumerate(lines) if (fault := check_metadata(line))}
    if lines and not any(map(is_for_geneval, lines)):
        wrong.append(
            f"none of the prompts can be judged by GenEval (the first: {unscored[0]}); "
            "use GenEval's suite, or skip the geneval stage"
        )
    return Validation(wrong, unscored)


def _differing(options: JudgeOptions | ColorOptions) -> dict[str, Any]:
    defaults = asdict(type(options)())
    return {name: value for name, value in asdict(options).items() if value != defaults[name]}

"""What a user can set about the images of a run; standard library only, used on both sides of the process wall."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from generation.noise import IMAGE, MODES, UPSTREAM
from generation.precision import FORMATS, PROFILES
from wire.errors import UserError
from wire.settings import EXTENT, IDLE, check, option, pair

#: A batch size to be found by trial, and the one for those who cannot have that: upstream's.
AUTO, UPSTREAM_BATCH = "auto", 4

#: Of upstream's sweep script and the paper's tables.
PAPER_STEPS = 50
PAPER_GUIDANCE = 7.0

#: Most samples of a prompt, and most steps: what is beyond is a slip, and ends in a worker's memory.
MOST = 100_000
_RESOLUTION = re.compile(r"(?P<width>[1-9]\d{0,4})(x(?P<height>[1-9]\d{0,4}))?")


_model = partial(option, panel="Model")
_sampling = partial(option, panel="Sampling")


def _target(name: str, help: str) -> Any:  # noqa: A002 - as in ``option``
    parse = pair(f"--{name}", "AXIS=NUMBER, e.g. aesthetic_score=0.625", float)
    return _sampling({}, help, name=name, parse=parse)


@dataclass(frozen=True)
class GenerationSettings:
    """How images are made. Defaults are those of upstream's sweep script and of the paper's tables.

    ``checkpoint`` is a Lightning ``.ckpt``, a folder in hub layout or of a diffusers pipeline, a repo id (``org/name``
    or ``org/name@revision``), or a released checkpoint's name; beside a generator, what that is called with, or
    nothing. For MIRO, a guidance scale of 7 is 8 in diffusers' terms. The value of ``batch_size`` decides the last bits
    of an image, as does ``compile``; where None is given, it becomes ``auto`` or upstream's.
    """

    checkpoint: str = _model("", "what is evaluated", panel="", compared=False)
    backend: str = _model(
        "auto", "auto, miro or diffusers (needed for a repo id of a diffusers pipeline)", decides=IDLE
    )
    generator: str | None = _model(
        None, "your own module:function that makes the images; see docs/own_generator.md", compared=False
    )
    variant: str | None = _model(None, "subfolder of a repo with several models, e.g. miro-no-clip", compared=False)
    suite: str = _sampling(
        "geneval", "prompt suite: a name (`suites list`), or a file: .jsonl, .txt, .csv, .json", decides=IDLE
    )
    samples: int = _sampling(4, "images per prompt", low=1, decides=EXTENT, compared=True)
    limit: int | None = _sampling(
        None, "only this many prompts: a fixed subset, in proportion to the tags", low=1, decides=EXTENT
    )
    steps: int | None = _sampling(
        PAPER_STEPS, "sampler steps", low=1, open=True, unset="50; of a diffusers pipeline, its own"
    )
    guidance_scale: float | None = _sampling(
        PAPER_GUIDANCE, "guidance scale", low=0, open=True, unset="7.0; of a diffusers pipeline, its own"
    )
    resolution: str | None = _sampling(None, "WIDTHxHEIGHT or one number", unset="the model's own")
    seed: int = _sampling(42, "seed of the noise", low=0)
    noise: str = _sampling(
        IMAGE, "image (a seed per image) or upstream (as in the original sweep script)", choices=MODES
    )
    batch_size: int | str | None = _sampling(
        None, "images per forward pass of the generator, or auto: as many as the GPU's memory holds", low=1,
        choices=(AUTO,), metavar="INTEGER|auto",
        unset=f"auto; {UPSTREAM_BATCH} on a CPU, with upstream's noise and with your own generator",
    )  # fmt: skip
    compile: bool = _sampling(
        False, "compile MIRO's network: takes a minute, then faster; images differ in the last bits"
    )
    precision: str = _sampling(
        "auto", "auto; MIRO: paper (the sweep script's) or pipeline; diffusers: fp32, bf16 or fp16",
        choices=("auto", *PROFILES, *FORMATS),
    )  # fmt: skip
    reward_targets: dict[str, float] = _target(
        "reward-target", "reward conditioning, e.g. aesthetic_score=0.625; repeatable"
    )
    negative_reward_targets: dict[str, float] = _target(
        "negative-reward-target", "the same for the unconditional branch; repeatable"
    )
    trust_checkpoint: bool = _model(
        False, "load a .ckpt with unknown pickled types, which can run code from the file", decides=IDLE
    )

    def __post_init__(self) -> None:
        """Of a generator of one's own it is not known what a larger call does, and a trial is a whole call."""
        if self.batch_size is None:
            fixed = self.noise == UPSTREAM or self.generator
            object.__setattr__(self, "batch_size", UPSTREAM_BATCH if fixed else AUTO)  # the class is frozen

    def check(self) -> None:
        """See that every setting is of its kind and in its range, whatever the checkpoint.
        Raises UserError: one is not; the message names it.
        """
        check(self)
        for name in ("samples", "steps"):
            if (getattr(self, name) or 0) > MOST:
                raise UserError(f"--{name} {getattr(self, name)}: expected at most {MOST}")
        if self.noise == UPSTREAM and self.seed >= 2**63:
            raise UserError(f"--seed {self.seed}: upstream's noise takes seeds below 2^63")
        parse_resolution(self.resolution)
        check_targets("reward_targets", self.reward_targets)
        check_targets("negative_reward_targets", self.negative_reward_targets)
        if self.noise == UPSTREAM and self.batch_size == AUTO:
            raise UserError("upstream's noise depends on the batch size; --batch-size 'auto': expected a whole number")


def parse_resolution(text: str | None) -> tuple[int, int] | None:
    """Width and height in pixels of ``1024x768``, or of ``512``; None for None.
    Raises UserError: not of that form, or not a multiple of 8, which every latent model wants.
    """
    if text is None:
        return None
    match = _RESOLUTION.fullmatch(str(text))
    if not match:
        raise UserError(f"resolution {text!r}: expected WIDTHxHEIGHT or one number, e.g. 1024x768 or 512")
    width = int(match["width"])
    height = int(match["height"] or width)
    if width % 8 or height % 8:
        raise UserError(f"resolution {text!r}: width and height must be multiples of 8")
    return width, height


def check_targets(name: str, targets: object, axes: tuple[str, ...] | None = None) -> None:
    """Reward targets lie in [0, 1], which is what the network saw in training.

    miro-t2i itself takes any number: out of range it extrapolates, and NaN silently switches an axis off. ``axes`` are
    those the checkpoint was trained on; None leaves the names unchecked.
    Raises UserError: not a mapping, a value that is not a number in [0, 1], or an axis the checkpoint lacks.
    """
    if not isinstance(targets, dict):
        raise UserError(f"{name}: expected axis = value pairs, found {type(targets).__name__}")
    for axis, value in targets.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not 0 <= value <= 1:
            raise UserError(f"{name}: {axis} = {value!r}; expected a number between 0 and 1")
        if axes is not None and axis not in axes:
            raise UserError(f"{name}: this checkpoint was not trained on {axis!r}; its axes are {', '.join(axes)}")

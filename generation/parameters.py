"""The parameters of a generation job, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from generation.batches import Sweep
from generation.checkpoint_kinds import CheckpointSource, describe_source
from generation.noise import IMAGE, UPSTREAM, check_mode
from generation.precision import check_precision
from wire.protocol import UserError

#: A batch size to be found by trial.
AUTO = "auto"

#: Of upstream's sweep script and the paper's tables.
PAPER_STEPS = 50
PAPER_GUIDANCE = 7.0

_RESOLUTION = re.compile(r"(?P<width>[1-9]\d{0,4})(x(?P<height>[1-9]\d{0,4}))?")


@dataclass(frozen=True)
class Parameters:
    """What a generation job asks for.

    Attributes:
        checkpoint: path or repository id, see :mod:`generation.checkpoint_kinds`; empty beside a generator.
        kind: one of its kinds, or ``auto``.
        revision: of a repository.
        variant: subfolder of a repository or folder.
        generator: ``module:function`` of the user's, see :mod:`generation.own_generator`.
        generator_folder: where it is looked for.
        steps: of the sampler; None: 50 for MIRO, a diffusers pipeline's own default.
        guidance_scale: for MIRO, 7.0 here is 8.0 in the convention of diffusers; None: 7.0, or the pipeline's own.
        resolution: ``width x height`` in pixels, or one number for both; None: the model's own.
        seed: not negative.
        noise: see :mod:`generation.noise`.
        sweep: for upstream's noise, see :class:`generation.batches.Sweep`.
        batch_size: images sampled together; part of what makes two runs comparable, for it moves the last bits. Or
            ``auto``, see :mod:`generation.batch_size`.
        compile: ``torch.compile`` MIRO's network; moves last bits.
        precision: see :mod:`generation.precision`.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        reward_targets: axis to value in [0, 1]; an axis without one gets the checkpoint's, or 1.0.
        negative_reward_targets: the same for the negative branch; default 0.0.
        trust_checkpoint: let a ``.ckpt`` and its ``config.yaml`` run any code they name.
        text_cache: folder that keeps text embeddings for later runs; None to keep none.
        run_id: written into the images.
    """

    checkpoint: str
    kind: str = "auto"
    revision: str | None = None
    variant: str | None = None
    generator: str | None = None
    generator_folder: str | None = None
    steps: int | None = PAPER_STEPS
    guidance_scale: float | None = PAPER_GUIDANCE
    resolution: str | None = None
    seed: int = 42
    noise: str = IMAGE
    sweep: dict[str, Any] | None = None
    batch_size: int | str = 4
    compile: bool = False
    precision: str = "auto"
    device: str = "auto"
    reward_targets: dict[str, float] = field(default_factory=dict)
    negative_reward_targets: dict[str, float] = field(default_factory=dict)
    trust_checkpoint: bool = False
    text_cache: str | None = None
    run_id: str = ""

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Parameters:
        """Check a job's parameters.

        Raises:
            UserError: one is unknown, missing, or out of its range.
        """
        unknown = sorted(set(record) - {item.name for item in fields(cls)})
        if unknown:
            raise UserError(f"unknown generation parameters: {', '.join(unknown)}")
        if not isinstance(record.get("checkpoint"), str) or not (record["checkpoint"] or record.get("generator")):
            raise UserError("no checkpoint given")
        parameters = cls(**record)
        parameters._check()
        return parameters

    def _check(self) -> None:
        if self.steps is not None:
            _at_least("steps", self.steps, 1)
        if self.batch_size != AUTO:
            _at_least("batch_size", self.batch_size, 1)
        _at_least("seed", self.seed, 0)
        guidance = self.guidance_scale
        if guidance is not None and (not _is_number(guidance) or guidance < 0):
            raise UserError(f"guidance_scale {guidance!r}: expected a number, 0 or more")
        parse_resolution(self.resolution)
        check_targets("reward_targets", self.reward_targets)
        check_targets("negative_reward_targets", self.negative_reward_targets)
        check_precision(self.precision)
        check_mode(self.noise)
        if self.noise == UPSTREAM:
            Sweep.parse(self.sweep)
            _at_least("upstream's noise depends on the batch size; batch_size", self.batch_size, 1)

    def source(self) -> CheckpointSource:
        """What makes the images.

        Raises:
            UserError: it is not there, or not what it should be.
        """
        folder = Path(self.generator_folder) if self.generator_folder else None
        return describe_source(self.checkpoint, self.kind, self.revision, self.variant, self.generator, folder)

    @property
    def fixed_batch_size(self) -> int:
        """The batch size, where it is not ``auto``."""
        return int(self.batch_size)

    @property
    def parsed_sweep(self) -> Sweep:
        """The sweep; only upstream's noise has one."""
        return Sweep.parse(self.sweep)


def parse_resolution(text: str | None) -> tuple[int, int] | None:
    """Width and height of ``1024x768``, or of ``512``; None for None.

    Raises:
        UserError: not of that form, or not a multiple of 8, which every latent model wants.
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

    miro-t2i itself takes any number: out of range it extrapolates, and NaN silently switches an axis off.

    Args:
        name: for the message.
        targets: axis to value.
        axes: those the checkpoint was trained on; None leaves the names unchecked.

    Raises:
        UserError: not a mapping, a value that is not a number in [0, 1], or an axis the checkpoint lacks.
    """
    if not isinstance(targets, dict):
        raise UserError(f"{name}: expected axis = value pairs, found {type(targets).__name__}")
    for axis, value in targets.items():
        if not _is_number(value) or not 0 <= value <= 1:
            raise UserError(f"{name}: {axis} = {value!r}; expected a number between 0 and 1")
        if axes is not None and axis not in axes:
            raise UserError(f"{name}: this checkpoint was not trained on {axis!r}; its axes are {', '.join(axes)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at_least(name: str, value: object, lowest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise UserError(f"{name} {value!r}: expected a whole number, {lowest} or more")

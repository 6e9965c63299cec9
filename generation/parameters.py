"""The parameters of a generation job, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from generation.precision import precision_named
from harness.protocol import UserError


@dataclass(frozen=True)
class Parameters:
    """What a generation job asks for.

    Attributes:
        checkpoint: path or repository id, see :mod:`generation.checkpoint_kinds`.
        kind: one of its kinds, or ``auto``.
        revision: of a repository.
        variant: subfolder of a repository or folder.
        steps: Euler steps.
        guidance_scale: 7.0 here is 8.0 in the convention of diffusers.
        seed: not negative.
        batch_size: images sampled together; part of what makes two runs comparable, for it moves the last bits.
        precision: see :mod:`generation.precision`.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        reward_targets: axis to value in [0, 1]; an axis without one gets the checkpoint's, or 1.0.
        negative_reward_targets: the same for the negative branch; default 0.0.
        trust_checkpoint: let a ``.ckpt`` and its ``config.yaml`` run any code they name.
        run_id: written into the images.
    """

    checkpoint: str
    kind: str = "auto"
    revision: str | None = None
    variant: str | None = None
    steps: int = 50
    guidance_scale: float = 7.0
    seed: int = 42
    batch_size: int = 4
    precision: str = "auto"
    device: str = "auto"
    reward_targets: dict[str, float] = field(default_factory=dict)
    negative_reward_targets: dict[str, float] = field(default_factory=dict)
    trust_checkpoint: bool = False
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
        if not isinstance(record.get("checkpoint"), str) or not record["checkpoint"]:
            raise UserError("no checkpoint given")
        parameters = cls(**record)
        parameters._check()
        return parameters

    def _check(self) -> None:
        _at_least("steps", self.steps, 1)
        _at_least("batch_size", self.batch_size, 1)
        _at_least("seed", self.seed, 0)
        if not _is_number(self.guidance_scale) or self.guidance_scale < 0:
            raise UserError(f"guidance_scale {self.guidance_scale!r}: expected a number, 0 or more")
        check_targets("reward_targets", self.reward_targets)
        check_targets("negative_reward_targets", self.negative_reward_targets)
        precision_named(self.precision)


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

"""The parameters of a rewards job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.own_scorer import load_scorers, with_own
from rewards.scorers import DEFAULT_METRICS, Scorer, check_metrics
from wire.errors import UserError

PRECISIONS = ("reference", "fast")
GROUPS = ("auto", "all", "one")


@dataclass(frozen=True)
class Parameters:
    """What a rewards job may set.

    Attributes:
        metrics: metric ids.
        files: paths of the weights published by address, by name: ``clip-vit-l-14`` and ``aesthetic-mlp``.
        precision: ``reference`` (the authors' number format) or ``fast`` (bf16).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: pairs per forward pass; part of a result's identity, since floating point depends on shapes.
        scorers: the user's own, as ``module:Class`` or ``/path/to/file.py:Class``.
        text_cache: folder that keeps text features for later runs; None to keep none.
        registry: every scorer by metric id, the user's own included; made from ``scorers``.
        group: how many models are loaded at once: ``auto`` as many as fit into free memory, ``all``, or ``one``.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    files: Mapping[str, str] = field(default_factory=dict)
    precision: str = "reference"
    device: str = "auto"
    batch_size: int = 16
    group: str = "auto"
    scorers: tuple[str, ...] = ()
    text_cache: str | None = None
    registry: Mapping[str, type[Scorer]] = field(default_factory=lambda: with_own({}))

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Parameters:
        """Check and complete a job's parameters.

        Raises:
            UserError: an unknown name, a value out of its range, an unfit scorer.
        """
        names = [name for name in cls.__dataclass_fields__ if name != "registry"]
        unknown = set(parameters) - set(names)
        if unknown:
            allowed = ", ".join(names)
            raise UserError(f"rewards: unknown parameter {', '.join(sorted(unknown))}; known are {allowed}")
        given = dict(parameters)
        given["registry"] = with_own(load_scorers(given.get("scorers", ())))
        given["metrics"] = check_metrics(given.get("metrics", DEFAULT_METRICS), given["registry"])
        chosen = cls(**given)
        chosen._check()
        return chosen

    def _check(self) -> None:
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("group", self.group, GROUPS)
        if type(self.batch_size) is not int or self.batch_size < 1:
            raise UserError(f"rewards: batch_size must be a whole number from 1, not {self.batch_size!r}")
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
            raise UserError(f"rewards: device must be auto, cpu, cuda or cuda:N, not {self.device!r}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"rewards: {name} must be one of {', '.join(allowed)}, not {value!r}")

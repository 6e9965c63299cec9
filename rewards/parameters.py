"""The parameters of a rewards job: the user's settings, and what only a worker is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from rewards.own_scorer import load_scorers, with_own
from rewards.scorers import Scorer, check_metrics
from rewards.settings import RewardSettings
from wire.errors import UserError
from wire.settings import read

GROUPS = ("auto", "all", "one")


@dataclass(frozen=True)
class Parameters(RewardSettings):
    """What a rewards job may set.

    Attributes:
        files: paths of the weights published by address, by name: ``clip-vit-l-14`` and ``aesthetic-mlp``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        text_cache: folder that keeps text features for later runs; None to keep none.
        group: how many models are loaded at once: ``auto`` as many as fit into free memory, ``all``, or ``one``.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    text_cache: str | None = None
    group: str = "auto"

    @property
    def registry(self) -> Mapping[str, type[Scorer]]:
        """Every scorer by metric id, the user's own included."""
        return _registry(tuple(self.scorers))

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Parameters:
        """Check and complete a job's parameters.

        Raises:
            UserError: an unknown name, a value out of its range, an unfit scorer.
        """
        given = read(cls, parameters, "rewards parameter")
        chosen = replace(given, metrics=check_metrics(given.metrics, given.registry))
        chosen.check()
        if chosen.group not in GROUPS:
            raise UserError(f"rewards: group must be one of {', '.join(GROUPS)}, not {chosen.group!r}")
        kind, _, number = chosen.device.partition(":")
        if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
            raise UserError(f"rewards: device must be auto, cpu, cuda or cuda:N, not {chosen.device!r}")
        return chosen


@cache
def _registry(scorers: tuple[str, ...]) -> Mapping[str, type[Scorer]]:
    return with_own(load_scorers(scorers))

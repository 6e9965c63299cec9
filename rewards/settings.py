"""What can be set about rewards, on both sides of the process wall; standard library only at import."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wire.errors import UserError
from wire.settings import EXTENT, check, option, options_of, read
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    from rewards.scorers import Scorer

T = TypeVar("T")

PRECISIONS = ("reference", "fast")
GROUPS = ("auto", "all", "one")

_rewards = partial(option, panel="Rewards")


@dataclass(frozen=True)
class RewardSettings:
    """How images are scored. ``batch_size`` is part of a result's identity: floating point depends on shapes."""

    metrics: tuple[str, ...] = _rewards(
        SEVEN_REWARDS, "reward metric id; repeatable", name="metric", unset="all seven", decides=EXTENT
    )
    precision: str = _rewards(
        "reference", "reference (the authors') or fast (bf16)", name="reward-precision", choices=PRECISIONS
    )
    batch_size: int = _rewards(16, "images per forward pass of a reward model", name="reward-batch-size", low=1)
    scorers: tuple[str, ...] = _rewards(
        (),
        "your own scorer: module:Class, file.py:Class or an installed package's name for it; repeatable; "
        "without --metric, only these are computed",
        name="scorer",
        decides=EXTENT,
    )
    rescore: tuple[str, ...] = _rewards(
        (), "metric id to compute again; repeatable; without --metric, only these are computed", decides=EXTENT
    )

    @property
    def named(self) -> bool:
        """Whether metrics or scorers were named, or all seven are meant for want of a choice."""
        return self.metrics is not SEVEN_REWARDS

    @classmethod
    def from_options(cls, **chosen: Any) -> RewardSettings:
        """Settings as a user names them: beside own scorers, or metrics to rescore, no other metric is meant."""
        scorers, rescore = chosen.get("scorers", ()), chosen.get("rescore", ())
        if "metrics" not in chosen and (scorers or rescore):
            from rewards.scorers import SCORERS

            chosen["metrics"] = tuple(metric for metric in rescore if metric in SCORERS or not scorers)
        return cls(**chosen)

    def check(self) -> None:
        """See that every setting is of its kind and in its range; see :func:`validate` for metrics and scorers.
        Raises UserError: one is not; the message names it.
        """
        check(self)


def validate(settings: RewardSettings, folder: Path) -> list[str]:
    """All that is wrong with the settings, a line each, to be shown before any stage begins; empty if nothing is.

    The user's scorers are imported, torch is not.
    ``folder``: where the user is, which names of scorers start from.
    """
    from rewards.own_scorer import absolute, load_scorers
    from rewards.scorers import check_metrics

    faults: list[str] = []

    def noted(look: Callable[[], T]) -> T | None:
        """What ``look`` gives; None where it finds a fault, which is noted."""
        try:
            return look()
        except UserError as error:
            faults.append(str(error))
            return None

    for setting, _ in options_of(settings):
        noted(partial(check, replace(RewardSettings(), **{setting.name: getattr(settings, setting.name)})))
    if settings.metrics or not settings.scorers:
        noted(lambda: check_metrics(settings.metrics))
    places = [noted(partial(absolute, text, folder)) for text in settings.scorers]
    alone = [place for place in places if place and noted(partial(load_scorers, [place])) is not None]
    own = noted(lambda: load_scorers(alone)) or {}
    if len(alone) == len(settings.scorers):  # else a metric may be missing for want of its scorer
        noted(lambda: check_rescored(settings.rescore, (*settings.metrics, *own)))
    return faults


def check_rescored(rescore: Collection[str], metrics: Collection[str]) -> None:
    """See that only what is scored is to be rescored. Raises UserError: names the others."""
    if stray := sorted(set(rescore) - set(metrics)):
        raise UserError(f"--rescore {', '.join(stray)}: not among the metrics to be scored ({', '.join(metrics)})")


@dataclass(frozen=True)
class Parameters(RewardSettings):
    """What a rewards job may set: the user's settings, and what only a worker is given."""

    #: Paths of the weights published by address, by name: ``clip-vit-l-14`` and ``aesthetic-mlp``.
    files: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"  #: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``
    text_cache: str | None = None  #: folder that keeps text features for later runs; None to keep none
    #: How many models are loaded at once: ``auto`` as many as fit into free memory, ``all``, or ``one``.
    group: str = "auto"
    alone: bool = True  #: no worker in another environment scores, too: if no model can be loaded, the job fails

    @property
    def registry(self) -> Mapping[str, type[Scorer]]:
        """Every scorer by metric id, the user's own included."""
        return _registry(tuple(self.scorers))

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Parameters:
        """Check and complete a job's parameters.
        Raises UserError: an unknown name, a value out of its range, an unfit scorer.
        """
        from rewards.scorers import check_metrics

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
    from rewards.own_scorer import registry

    return registry(scorers)

"""What a user can set about rewards; standard library only at import, used on both sides of the process wall."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from wire.errors import UserError
from wire.settings import EXTENT, check, option, options_of
from wire.vocabulary import SEVEN_REWARDS

T = TypeVar("T")

PRECISIONS = ("reference", "fast")

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
        "a scorer of your own, module:Class, file.py:Class or an installed package's name for it; repeatable; "
        "without --metric alone",
        name="scorer",
        decides=EXTENT,
    )
    rescore: tuple[str, ...] = _rewards(
        (), "metric id to compute again although it is there; repeatable; without --metric alone", decides=EXTENT
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

        Raises:
            UserError: one is not; the message names it.
        """
        check(self)


def validate(settings: RewardSettings, folder: Path) -> list[str]:
    """All that is wrong with the settings, a line each, to be told before any stage begins; empty if nothing is.

    The user's scorers are imported, torch is not.

    Args:
        folder: where the user is, which names of scorers start from.
    """
    from rewards.own_scorer import absolute, load_scorers
    from rewards.scorers import check_metrics

    faults: list[str] = []

    def told(look: Callable[[], T]) -> T | None:
        """What ``look`` gives; None where it finds a fault, which is noted."""
        try:
            return look()
        except UserError as error:
            faults.append(str(error))
            return None

    for setting, _ in options_of(settings):
        told(partial(check, replace(RewardSettings(), **{setting.name: getattr(settings, setting.name)})))
    if settings.metrics or not settings.scorers:
        told(lambda: check_metrics(settings.metrics))
    places = [told(partial(absolute, text, folder)) for text in settings.scorers]
    alone = [place for place in places if place and told(partial(load_scorers, [place])) is not None]
    own = told(lambda: load_scorers(alone)) or {}
    if len(alone) == len(settings.scorers):  # else a metric may be missing for want of its scorer
        told(lambda: check_rescored(settings.rescore, (*settings.metrics, *own)))
    return faults


def check_rescored(rescore: Collection[str], metrics: Collection[str]) -> None:
    """See that only what is scored is to be rescored.

    Raises:
        UserError: names the others.
    """
    if stray := sorted(set(rescore) - set(metrics)):
        raise UserError(f"--rescore {', '.join(stray)}: not among the metrics to be scored ({', '.join(metrics)})")

"""What a user can set about rewards; standard library only at import, used on both sides of the process wall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from wire.settings import EXTENT, check, option
from wire.vocabulary import SEVEN_REWARDS

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
        """See that every setting is of its kind and in its range; metrics and scorers are looked up elsewhere.

        Raises:
            UserError: one is not; the message names it.
        """
        check(self)

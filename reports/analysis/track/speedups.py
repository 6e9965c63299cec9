"""How many times sooner one training run reaches what another ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.analysis.track.curves import Curve
from reports.statistics.crossing import first_crossing


@dataclass(frozen=True)
class SpeedUp:
    """One training run measured by the end of another, on one metric.

    Attributes:
        metric: as tables name it.
        target: the slow one's final value.
        last_step: at which the slow one has it.
        crossing: step at which the fast one first has it, linear between checkpoints; None where it never does.
        at_first: it has it at its first checkpoint already, so that ``factor`` is a lower bound.
    """

    metric: str
    fast: str
    slow: str
    target: float
    last_step: float
    crossing: float | None
    at_first: bool

    @property
    def factor(self) -> float | None:
        """Last step of the slow one over the crossing; None where there is none, or at step 0."""
        return self.last_step / self.crossing if self.crossing else None


def speedups(curves: Sequence[Curve]) -> list[SpeedUp]:
    """Every training run against the end of every other; none where only the order of checkpoints is known."""
    return [] if any(curve.by_order for curve in curves) else list(_speedups(curves))


def _speedups(curves: Sequence[Curve]) -> Iterator[SpeedUp]:
    for slow in curves:
        for fast in curves:
            if fast.metric == slow.metric and fast.training != slow.training:
                last = slow.points[-1]
                steps, values = ([getattr(point, name) for point in fast.points] for name in ("step", "value"))
                sign = -1.0 if slow.higher_is_better is False else 1.0
                crossing = first_crossing(steps, [sign * value for value in values], sign * last.value)
                yield SpeedUp(
                    metric=slow.label,
                    fast=fast.training,
                    slow=slow.training,
                    target=last.value,
                    last_step=last.step,
                    crossing=crossing,
                    at_first=sign * values[0] >= sign * last.value,
                )

"""How many times sooner one training run reaches what another ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
        mutual: the slow one is as much sooner at the end of the fast one, so that neither is.
    """

    metric: str
    fast: str
    slow: str
    target: float
    last_step: float
    crossing: float | None
    at_first: bool
    mutual: bool = False

    @property
    def factor(self) -> float | None:
        """Last step of the slow one over the crossing; None where there is none, or at step 0."""
        return self.last_step / self.crossing if self.crossing else None


def speedups(curves: Sequence[Curve]) -> list[SpeedUp]:
    """Every training run against the end of every other; none where only the order of checkpoints is known."""
    if any(curve.by_order for curve in curves):
        return []
    found = {(one.metric, one.fast, one.slow): one for one in _speedups(curves)}
    return [replace(one, mutual=_mutual(one, found[metric, slow, fast])) for (metric, fast, slow), one in found.items()]


def _mutual(one: SpeedUp, other: SpeedUp) -> bool:
    """Whether each reaches the other's end before the other is there, or both at their last steps."""
    if one.crossing is None or other.crossing is None:
        return False
    before = [either.crossing is not None and either.crossing < either.last_step for either in (one, other)]
    return all(before) or (one.crossing == one.last_step and other.crossing == other.last_step)


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

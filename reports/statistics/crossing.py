"""Speed-up: how many times sooner one training run reaches what another ends with."""

from __future__ import annotations

from collections.abc import Sequence


def first_crossing(steps: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """First step at which a curve, linear between its points, reaches ``target``; None where it never does.

    A curve that begins above the target has crossed it before its first point: that point's step is then an upper
    bound, and is returned.
    """
    if values[0] >= target:
        return float(steps[0])
    for place in range(1, len(steps)):
        before, after = values[place - 1], values[place]
        if after >= target:
            share = (target - before) / (after - before)
            return float(steps[place - 1] + share * (steps[place] - steps[place - 1]))
    return None


def speedup(steps: Sequence[float], slow: Sequence[float], fast: Sequence[float]) -> float | None:
    """Last step over the first at which ``fast`` reaches the final value of ``slow``; None where it never does."""
    crossing = first_crossing(steps, fast, slow[-1])
    return None if crossing is None else steps[-1] / crossing

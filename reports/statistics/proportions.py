"""Intervals of proportions: exact binomial bounds at the sample size that the prompts are really worth."""

from __future__ import annotations

from scipy import special  # type: ignore[import-untyped]


def clopper_pearson(successes: float, size: float, level: float) -> tuple[float, float]:
    """Exact bounds of a binomial proportion (Clopper and Pearson 1934, Biometrika 26:404-413).

    Args:
        successes: from 0 to ``size``; both may be fractional, as effective sizes are.
        size: above 0.
        level: e.g. 0.95.

    Returns:
        (low, high), from 0 to 1.
    """
    tail = (1.0 - level) / 2.0
    failures = size - successes
    low = float(special.betaincinv(successes, failures + 1.0, tail)) if successes > 0 else 0.0
    high = float(special.betaincinv(successes + 1.0, failures, 1.0 - tail)) if failures > 0 else 1.0
    return low, high


def effective_size(proportion: float, standard_error: float, images: int, prompts: int) -> float:
    """How many independent images would give this standard error.

    Args:
        proportion: between 0 and 1, both excluded.
        standard_error: cluster-robust, of the proportion.
        images: its denominator; the result is no larger, for a design effect below 1 is mostly luck.
        prompts: what stands for the size where the standard error is 0 but the images are not all alike.
    """
    if standard_error <= 0.0:
        return float(prompts)
    return min(float(images), proportion * (1.0 - proportion) / standard_error**2)


def degrees_of_freedom_factor(freedom: int, level: float) -> float:
    """(z / t)^2, by which an effective size shrinks when its variance rests on few prompts."""
    upper = (1.0 + level) / 2.0
    return float((special.ndtri(upper) / special.stdtrit(freedom, upper)) ** 2)

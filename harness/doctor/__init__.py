"""Look at the host as a run would, and say what is in the way and how to mend it.

A check is a function that returns its :class:`Finding`, or several; :data:`CHECKS` lists them in the order shown.
Nothing is installed, fetched or changed. :func:`quick_checks` is what a run looks at before it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness.doctor import devices, installed, places, tools, weighed
from harness.doctor.finding import FAILURE, OK, WARNING, Finding

__all__ = ["CHECKS", "FAILURE", "OK", "WARNING", "Finding", "examine", "quick_checks"]

Check = Callable[[], Finding | Iterable[Finding]]

#: In the order shown: first what everything else needs.
CHECKS: tuple[Check, ...] = (
    tools.python,
    tools.uv_tool,
    tools.pixi_tool,
    tools.compiler,
    devices.gpu,
    devices.mmcv_build,
    places.disk,
    places.write_access,
    installed.environments,
    installed.leftovers,
    weighed.weights,
    weighed.hub,
)


def examine(out: Path | None = None) -> Iterable[Finding]:
    """Run all checks, yielding findings as they come (health checks take seconds each).

    A run's images would go to ``out``, the current directory unless given.
    """
    for check in CHECKS:
        found = check()
        yield from [found] if isinstance(found, Finding) else found
    yield places.room_for_images(out or Path.cwd())


def quick_checks(
    environments: Sequence[str],
    out: Path,
    *,
    env_backend: str = "auto",
    weights: bool = True,
    offline: bool = False,
    images: int = places.SWEEP,
) -> list[Finding]:
    """What would stop a run, found in well under a second: no program is started but ``nvidia-smi``, no file hashed.

    Args:
        weights: the run uses the published weights.
        images: how many are to be made.

    Returns:
        Warnings and failures only. A failure means that the run cannot work.
    """
    found = [*installed.unmade(environments, env_backend), places.room_for_images(out, images), devices.gpu_quickly()]
    if weights:
        found += weighed.quickly(environments, offline)
    return [finding for finding in found if finding.status != OK]

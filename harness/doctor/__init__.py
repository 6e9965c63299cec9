"""Look at the host as a run would, and say what is in the way and how to fix it.

A check is a function that returns its :class:`Finding`, or several; :data:`CHECKS` lists them in the order shown.
Nothing is installed, fetched or changed. :func:`quick_checks` is what a run looks at before it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from harness.doctor import gpu_fit, host, hub, installed
from harness.doctor.host import FAILURE, OK, WARNING, Finding
from rewards.scorers import SCORERS
from rewards.scorers.card import Weight
from wire.gpus import hidden
from wire.hub_client import is_off
from wire.vocabulary import SEVEN_REWARDS

__all__ = ["CHECKS", "FAILURE", "OK", "WARNING", "Finding", "examine", "quick_checks", "unfit"]

#: In the order shown: first what everything else needs.
CHECKS: tuple[Callable[[], Finding | Iterable[Finding]], ...] = (
    host.python,
    host.uv_tool,
    host.pixi_tool,
    host.compiler,
    host.gpu,
    gpu_fit.all_environments,
    host.detector,
    host.disk,
    host.write_access,
    installed.environments,
    installed.leftovers,
    hub.weights,
    hub.proxy,
    hub.token,
    hub.hub,
)


def examine(out: Path | None = None) -> Iterable[Finding]:
    """Run all checks, yielding findings as they come (health checks take seconds each).

    A run's images would go to ``out``, the current directory unless given.
    """
    for check in CHECKS:
        found = check()
        yield from [found] if isinstance(found, Finding) else found
    yield host.room_to_load({metric: SCORERS[metric].card.weights for metric in SEVEN_REWARDS})
    yield host.room_for_images(out or Path.cwd())


def unfit(environments: Sequence[str], device: str, env_backend: str) -> list[Finding]:
    """What keeps environments from being made here, or from computing on this machine's GPUs."""
    found = [*installed.unmade(environments, env_backend)]
    computes_on_gpu = device != "cpu" and not hidden()
    found += gpu_fit.misfits(environments, env_backend) if computes_on_gpu else []
    return [finding for finding in found if finding.status != OK]


def quick_checks(
    environments: Sequence[str],
    out: Path,
    *,
    device: str = "auto",
    env_backend: str = "auto",
    weights: bool = True,
    offline: bool = False,
    wanted: Mapping[str, Collection[str]] = MappingProxyType({}),
    loaded: Mapping[str, Collection[Weight]] = MappingProxyType({}),
    images: int = host.SWEEP,
) -> list[Finding]:
    """What would stop a run, found in well under a second: no file is hashed, and no program started but ``nvidia-smi``
    and, once a driver, the torch of each environment that the GPU is for.
    ``weights``: the run uses the published weights.
    ``wanted``: which of them, by stage, where it is not all.
    ``loaded``: what metrics are to be computed with.
    ``images``: how many are to be made.
    Returns warnings and failures only. A failure means that the run cannot work.
    """
    found = [*installed.unmade(environments, env_backend), host.room_for_images(out, images), host.room_to_load(loaded)]
    if device != "cpu" and not hidden():
        gpu = host.gpu()
        in_the_way = gpu.status == FAILURE or gpu == host.other_gpu()
        found += [gpu] if in_the_way else gpu_fit.misfits(environments, env_backend)
    if weights and offline:
        found += hub.quickly(environments, wanted)
    elif weights and not is_off():
        found += [*hub.proxy(tried=False), hub.token()]
    return [finding for finding in found if finding.status != OK]

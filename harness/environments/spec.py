"""The environments, and what an environment kind must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Called with (done, total, what): total is 0 while it is unknown.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class EnvironmentSpec:
    """One of the stages' environments.

    Attributes:
        name: folder under ``envs/``.
        stage: the worker module that runs in it.
        backends: kinds it can be made with, best first.
        disk_gb: what a fresh installation needs, measured, rounded up.
        on_demand: made only when it is named, or a metric asked for runs in it.
    """

    name: str
    stage: str
    backends: tuple[str, ...]
    disk_gb: int
    on_demand: bool = False


ENVIRONMENTS: dict[str, EnvironmentSpec] = {
    "miro": EnvironmentSpec("miro", "generation", ("uv",), disk_gb=8),
    "geneval": EnvironmentSpec("geneval", "geneval", ("pixi", "uv", "mmcv-lite", "no-mmcv"), disk_gb=9),
    "rewards": EnvironmentSpec("rewards", "rewards", ("uv",), disk_gb=6),
    "vlm": EnvironmentSpec("vlm", "rewards", ("uv",), disk_gb=8, on_demand=True),
    "mplug": EnvironmentSpec("mplug", "rewards", ("uv",), disk_gb=6, on_demand=True),
}
#: Those that are made, and looked for, where none is named.
DEFAULT = tuple(name for name, spec in ENVIRONMENTS.items() if not spec.on_demand)


class Backend(Protocol):
    """An environment kind; ``BACKENDS`` in ``manager.py`` lists them."""

    def lock_parts(self, spec: EnvironmentSpec) -> list[bytes]:
        """Everything that decides what gets installed; hashed, it names the environment's folder."""

    def install(self, spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
        """Install into ``directory``; an interrupted installation is continued.
        Raises EnvironmentFailure: with the tool's command, status and last lines.
        """

    def command(self, spec: EnvironmentSpec, directory: Path, arguments: Sequence[str]) -> list[str]:
        """The command line that runs ``python *arguments`` inside the environment."""

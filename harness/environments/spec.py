"""The environments, and what an environment kind must be able to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wire.errors import UserError
from wire.paths import environment_files, expanded

#: Called with (done, total, what): total is 0 while it is unknown.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class EnvironmentSpec:
    """One of the stages' environments, or one of a user's."""

    name: str  #: folder under ``envs/``; of a user's: :data:`OWN` and its folder's name
    stage: str  #: the worker module that runs in it
    backends: tuple[str, ...]  #: kinds it can be made with, best first
    disk_gb: int  #: what a fresh installation needs, measured, rounded up
    on_demand: bool = False  #: made only when it is named, or a metric asked for runs in it
    folder: Path | None = None  #: of a user's: where its ``pyproject.toml`` and ``uv.lock`` are

    @property
    def argument(self) -> str:
        """What `envs` verbs take for it."""
        return str(self.folder or self.name)

    def files(self, lock: str = "") -> Path:
        """The folder of its lock; ``lock`` is what that of another kind has behind the name."""
        return self.folder or environment_files(self.name + lock)


ENVIRONMENTS: dict[str, EnvironmentSpec] = {
    "miro": EnvironmentSpec("miro", "generation", ("uv",), disk_gb=8),
    "geneval": EnvironmentSpec("geneval", "geneval", ("pixi", "uv", "mmcv-lite", "no-mmcv"), disk_gb=9),
    "rewards": EnvironmentSpec("rewards", "rewards", ("uv",), disk_gb=6),
    "vlm": EnvironmentSpec("vlm", "rewards", ("uv",), disk_gb=8, on_demand=True),
    "mplug": EnvironmentSpec("mplug", "rewards", ("uv",), disk_gb=6, on_demand=True),
}
#: Those that are made, and looked for, where none is named.
DEFAULT = tuple(name for name, spec in ENVIRONMENTS.items() if not spec.on_demand)
#: How the name of a user's own environment begins.
OWN = "own."


def find_spec(name: str) -> EnvironmentSpec:
    """The environment of that name; where there is a slash in it, a user's own in that folder.
    Raises UserError: there is none; the message lists the names, or says what the folder lacks.
    """
    if name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    if "/" not in name:
        raise UserError(
            f"unknown environment {name!r}: choose from {', '.join(ENVIRONMENTS)}, or name a folder, e.g. ./{name}"
        )
    folder = expanded(name).absolute()
    for file, remedy in (("pyproject.toml", "docs/own_scorer.md shows one"), ("uv.lock", "run `uv lock` there")):
        if not (folder / file).is_file():
            raise UserError(f"environment {name}: there is no {folder / file}: {remedy}")
    own = OWN + re.sub(r"[^A-Za-z0-9_]", "_", folder.name)
    return EnvironmentSpec(own, "rewards", ("uv",), disk_gb=1, on_demand=True, folder=folder)


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

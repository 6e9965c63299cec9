"""The GenEval environment without mmcv and mmdet: for hosts that cannot compile mmcv, and for the second detector."""

from __future__ import annotations

from pathlib import Path

from harness.environments import uv
from harness.environments.spec import EnvironmentSpec, Progress
from harness.environments.uv import command, find
from wire.paths import environment_files

__all__ = ["NAME", "command", "find", "install", "lock_parts"]

NAME = "no-mmcv"
#: Left out of the lock's packages; everything else keeps its version.
LEFT_OUT = ("mmcv", "mmdet", "mmengine")
OPTIONS = [part for name in LEFT_OUT for part in ("--no-install-package", name)]


def lock_parts(spec: EnvironmentSpec) -> list[bytes]:
    """The lock file, and what is left out of it."""
    files = environment_files(spec.name)
    return [*((files / name).read_bytes() for name in ("pyproject.toml", "uv.lock")), repr(LEFT_OUT).encode()]


def install(spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
    """``uv sync --frozen`` into ``directory/venv``; nothing is compiled."""
    uv.sync(spec, directory, progress, OPTIONS, {})

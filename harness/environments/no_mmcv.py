"""The GenEval environment without mmcv and mmdet: for hosts that cannot compile mmcv, and for the second detector."""

from __future__ import annotations

from pathlib import Path

from harness.environments import uv
from harness.environments.spec import EnvironmentSpec, Progress
from harness.environments.uv import command, find
from harness.workers.processes import run_logged
from wire.errors import EnvironmentFailure
from wire.paths import environment_files

__all__ = ["NAME", "command", "find", "install", "lock_parts"]

NAME = "no-mmcv"
#: Left out of the lock's packages; everything else keeps its version.
LEFT_OUT = ("mmcv", "mmdet", "mmengine")


def lock_parts(spec: EnvironmentSpec) -> list[bytes]:
    """The lock file, and what is left out of it."""
    files = environment_files(spec.name)
    return [*((files / name).read_bytes() for name in ("pyproject.toml", "uv.lock")), repr(LEFT_OUT).encode()]


def sync_command(tool: str, spec: EnvironmentSpec) -> list[str]:
    """uv installs the lock's packages, three of them aside."""
    left_out = [part for name in LEFT_OUT for part in ("--no-install-package", name)]
    return [tool, "sync", "--frozen", "--no-progress", "--project", str(environment_files(spec.name)), *left_out]


def install(spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
    """``uv sync --frozen`` into ``directory/venv``; nothing is compiled."""
    tool = find()
    if tool is None:
        raise EnvironmentFailure("uv is not installed: run `pip install uv`")
    try:
        run_logged(
            sync_command(tool, spec),
            directory / "install.log",
            failure=f"environment {spec.name} could not be installed",
            environment={"UV_PROJECT_ENVIRONMENT": str(directory / "venv"), "VIRTUAL_ENV": ""},
            cwd=directory,
            on_line=lambda line: uv.report_line(line, progress),
        )
    except EnvironmentFailure as error:
        raise EnvironmentFailure(uv.explain(str(error))) from error

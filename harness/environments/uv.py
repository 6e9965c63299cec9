"""Environments made by uv from ``envs/<name>/uv.lock``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.environments.gpu import host_mmcv_build
from harness.environments.spec import EnvironmentSpec, Progress
from harness.workers.processes import run_logged
from wire.errors import EnvironmentFailure
from wire.paths import environment_files


def find() -> str | None:
    """uv itself: the one that started us (``uv run`` says which), else the one on PATH."""
    started_by = os.environ.get("UV")
    return started_by if started_by and Path(started_by).exists() else shutil.which("uv")


def lock_parts(spec: EnvironmentSpec) -> list[bytes]:
    """The lock file and, where mmcv is compiled, how."""
    files = environment_files(spec.name)
    parts = [(files / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    return [*parts, repr(host_mmcv_build()).encode()] if _compiles_mmcv(spec) else parts


def _compiles_mmcv(spec: EnvironmentSpec) -> bool:
    return spec.name == "geneval"


def install(spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
    """``uv sync --frozen`` into ``directory/venv``. uv keeps downloads and built wheels: a rerun continues."""
    if not _compiles_mmcv(spec):
        sync(spec, directory, progress, [], {})
        return
    build = host_mmcv_build()
    sync(spec, directory, progress, build.arguments(), build.variables() | {"RUST_LOG": "uv_build_frontend=debug"})


def sync_command(tool: str, spec: EnvironmentSpec, options: Sequence[str]) -> list[str]:
    """What installs the lock's packages."""
    return [tool, "sync", "--frozen", "--no-progress", "--project", str(environment_files(spec.name)), *options]


def sync(
    spec: EnvironmentSpec, directory: Path, progress: Progress, options: Sequence[str], variables: dict[str, str]
) -> None:
    """Run :func:`sync_command` for ``directory/venv``. Raises EnvironmentFailure: uv is not here, or did not do it."""
    tool = find()
    if tool is None:
        raise EnvironmentFailure("uv is not installed: run `pip install uv`")
    try:
        run_logged(
            sync_command(tool, spec, options),
            directory / "install.log",
            failure=f"environment {spec.name} could not be installed",
            environment={"UV_PROJECT_ENVIRONMENT": str(directory / "venv"), "VIRTUAL_ENV": "", **variables},
            cwd=directory,
            on_line=lambda line: report_line(line, progress),
        )
    except EnvironmentFailure as error:
        raise EnvironmentFailure(explain(str(error))) from error


def report_line(line: str, progress: Progress) -> None:
    """Turn uv's lines into progress: ninja's ``[12/77]`` while mmcv compiles, else what is being fetched."""
    if step := re.search(r"\[(\d+)/(\d+)\] (?:c\+\+|g\+\+|\S*nvcc|\S*c\+\+)", line):
        progress(int(step.group(1)), int(step.group(2)), "compiling mmcv")
    elif found := re.match(r"\s*(Downloading|Building|Built|Downloaded) (\S+)", line):
        progress(0, 0, f"{found.group(1).lower()} {found.group(2)}")


def explain(message: str) -> str:
    """Put the likely cause first where uv's output shows it and the cause is not in uv."""
    reasons = {
        r"No space left on device": "the disk is full: free some space, or set MIRO_EVAL_HOME to another disk",
        r"error sending request|dns error|Connection refused|Temporary failure in name": (
            "the package registry cannot be reached: check the network, then run the command again"
        ),
        r"No interpreter found": "no Python 3.10 or 3.11 was found: install one, or let uv fetch it",
    }
    for pattern, reason in reasons.items():
        if re.search(pattern, message):
            return f"{reason}\n{message}"
    if "mmcv" in message and not (shutil.which("c++") or shutil.which("g++")):
        reason = "mmcv is compiled from source and there is no C++ compiler: install one (e.g. g++)"
        return f"{reason}, or use --detector transformers, which needs no mmcv\n{message}"
    if re.search(r"[Ff]ailed to build `?mmcv", message):
        return (
            f"mmcv could not be compiled; --detector transformers needs no mmcv and gives the same verdicts\n{message}"
        )
    return message


def command(spec: EnvironmentSpec, directory: Path, arguments: Sequence[str]) -> list[str]:
    """The environment's own interpreter: uv is not needed any more."""
    return [str(directory / "venv" / "bin" / "python"), *arguments]

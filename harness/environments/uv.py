"""Environments made by uv from a lock: with mmcv compiled, with mmcv-lite, or without any."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.environments.gpu import has_compiler, host_mmcv_build
from harness.environments.spec import EnvironmentSpec, Progress
from harness.workers.processes import run_logged
from wire.errors import EnvironmentFailure

#: Where pip puts it, though the virtual environment may not be activated.
_BESIDE = str(Path(sys.executable).with_name("uv"))


def find() -> str | None:
    """uv itself: the one that started us (``uv run`` says which), the one on PATH, or the one beside our Python."""
    started_by = os.environ.get("UV")
    return started_by if started_by and Path(started_by).exists() else shutil.which("uv") or shutil.which(_BESIDE)


@dataclass(frozen=True)
class UvBackend:
    """An environment kind made by uv."""

    lock: str = ""  #: what the name of the lock's folder has after the environment's
    left_out: tuple[str, ...] = ()  #: packages of the lock that are not installed; everything else keeps its version

    def _compiles_mmcv(self, spec: EnvironmentSpec) -> bool:
        return spec.name == "geneval" and self == UvBackend()

    def lock_parts(self, spec: EnvironmentSpec) -> list[bytes]:
        """The lock, what is left out of it and, where mmcv is compiled, how."""
        parts = [(spec.files(self.lock) / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
        parts += [repr(self.left_out).encode()] if self.left_out else []
        return [*parts, repr(host_mmcv_build()).encode()] if self._compiles_mmcv(spec) else parts

    def install(self, spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
        """``uv sync --frozen`` into ``directory/venv``. uv keeps downloads and built wheels: a rerun continues."""
        tool = find()
        if tool is None:
            raise EnvironmentFailure("uv is not installed: run `pip install uv`")
        build = host_mmcv_build().variables() | {"RUST_LOG": "uv_build_frontend=debug"}
        variables = build if self._compiles_mmcv(spec) else {}
        try:
            run_logged(
                self.sync_command(tool, spec),
                directory / "install.log",
                failure=f"environment {spec.name} could not be installed",
                environment={"UV_PROJECT_ENVIRONMENT": str(directory / "venv"), "VIRTUAL_ENV": "", **variables},
                cwd=directory,
                on_line=lambda line: report_line(line, progress),
            )
        except EnvironmentFailure as error:
            raise EnvironmentFailure(explain(str(error))) from error

    def sync_command(self, tool: str, spec: EnvironmentSpec) -> list[str]:
        """What installs the lock's packages."""
        left_out = [part for name in self.left_out for part in ("--no-install-package", name)]
        build = host_mmcv_build().arguments() if self._compiles_mmcv(spec) else []
        sync = [tool, "sync", "--frozen", "--no-progress", "--project", str(spec.files(self.lock))]
        return [*sync, *left_out, *build]

    def command(self, _spec: EnvironmentSpec, directory: Path, arguments: Sequence[str]) -> list[str]:
        """The environment's own interpreter: uv is not needed any more."""
        return [str(directory / "venv" / "bin" / "python"), *arguments]


def report_line(line: str, progress: Progress) -> None:
    """Turn uv's lines into progress: ninja's ``[12/77]`` while mmcv compiles, else what is being fetched."""
    if step := re.search(r"\[(\d+)/(\d+)\] (?:c\+\+|g\+\+|\S*nvcc|\S*c\+\+)", line):
        progress(int(step.group(1)), int(step.group(2)), "compiling mmcv")
    elif found := re.match(r"\s*(Downloading|Building|Built|Downloaded) (\S+)", line):
        progress(0, 0, f"{found.group(1).lower()} {found.group(2)}")


#: What uv's output shows, and the cause where that is not in uv.
_REASONS = {
    r"No space left on device": "the disk is full: free some space, or set MIRO_EVAL_HOME to another disk",
    r"[Ll]ockfile .*needs to be updated": "uv.lock does not fit pyproject.toml: run `uv lock` in that folder",
    r"Network connectivity is disabled": "uv is offline (UV_OFFLINE), and its cache lacks a package",
    r"error sending request|dns error|Connection refused|Temporary failure in name": (
        "the package registry cannot be reached: check the network, then run the command again"
    ),
    r"No interpreter found": "no Python 3.10 or 3.11 was found: install one, or let uv fetch it",
}


def explain(message: str) -> str:
    """Put the likely cause first where uv's output shows it."""
    reason = next((reason for pattern, reason in _REASONS.items() if re.search(pattern, message)), "")
    if not reason and "mmcv" in message and not has_compiler():
        reason = "mmcv is compiled from source and there is no C++ compiler: install one (e.g. g++)"
        reason += ", or use --env-backend mmcv-lite, which compiles nothing"
    elif not reason and re.search(r"[Ff]ailed to build `?mmcv", message):
        reason = "mmcv could not be compiled; --env-backend mmcv-lite compiles nothing"
    return f"{reason}\n{message}" if reason else message

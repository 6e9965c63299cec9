"""The GenEval environment made by pixi: a conda CUDA toolkit, and mmcv compiled with it for the GPU present."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.environments import uv
from harness.environments.gpu import MmcvBuild, compute_capabilities
from harness.environments.spec import EnvironmentSpec, Progress
from harness.workers.processes import run_logged
from wire.errors import EnvironmentFailure, UserError
from wire.paths import pixi_manifest

#: The toolkit that ``pixi.toml`` pins.
CUDA = "12.1"
#: Installed without their dependencies, for those of mmengine bring the windowed OpenCV.
MMCV = ("mmcv==2.1.0", "mmengine==0.10.7")
#: pixi hands a command's arguments to its shell between double quotes, within which these have a meaning.
_EXPANDED = re.compile(r"[$`\"\\\x00-\x1f\x7f]")


def find() -> str | None:
    """pixi on PATH."""
    return shutil.which("pixi")


def build() -> MmcvBuild:
    """Code for the GPUs present; for Hopper (sm_90) where none is, so that a login node can prepare the environment."""
    return MmcvBuild(CUDA, ";".join(compute_capabilities()) or "9.0")


def lock_parts(_spec: EnvironmentSpec) -> list[bytes]:
    """The manifest and the architectures mmcv is compiled for."""
    return [pixi_manifest().read_bytes(), repr(build()).encode()]


def install(spec: EnvironmentSpec, directory: Path, progress: Progress) -> None:
    """``pixi install`` from a copy of the manifest in ``directory``, then mmcv from its sdist, and mmengine."""
    tool, installer = find(), uv.find()
    if tool is None or installer is None:
        raise EnvironmentFailure(
            "pixi and uv are both needed for this backend: install them or use --env-backend mmcv-lite"
        )
    shutil.copyfile(pixi_manifest(), directory / "pixi.toml")
    log = directory / "install.log"
    failure = f"environment {spec.name} could not be installed with pixi"
    progress(0, 0, "conda packages")
    run_logged([*_pixi(tool, "install"), *_manifest(directory)], log, failure=failure, cwd=directory)
    run_logged(
        mmcv_command(tool, installer, directory),
        log,
        failure=f"{failure} (compiling mmcv)",
        environment=build().variables() | {"RUST_LOG": "uv_build_frontend=debug"},
        cwd=directory,
        on_line=lambda line: uv.report_line(line, progress),
    )


def mmcv_command(tool: str, installer: str, directory: Path) -> list[str]:
    """uv compiles mmcv inside the activated environment, with its torch and its nvcc, and keeps the wheel."""
    python = directory / ".pixi" / "envs" / "default" / "bin" / "python"
    install_mmcv = [installer, "pip", "install", "--python", str(python), "--no-build-isolation", "--no-deps"]
    return [*_pixi(tool, "run"), *_manifest(directory), *install_mmcv, *build().arguments(), *MMCV]


def _pixi(tool: str, verb: str) -> list[str]:
    """pixi's verb. Where no GPU is, as on a login node, it is told that there will be one; else it would not solve."""
    absent = not compute_capabilities() and "CONDA_OVERRIDE_CUDA" not in os.environ
    return [*(["env", f"CONDA_OVERRIDE_CUDA={CUDA}"] if absent else []), tool, verb]


def _manifest(directory: Path) -> list[str]:
    return ["--manifest-path", str(directory / "pixi.toml")]


def command(spec: EnvironmentSpec, directory: Path, arguments: Sequence[str]) -> list[str]:
    """Through ``pixi run``, which sets the variables of the activated environment, and has a shell of its own.
    Raises UserError: an argument, such as a run's path, holds what that shell would expand.
    """
    tool = find()
    if expanded := next((text for text in arguments if _EXPANDED.search(text)), None):
        raise UserError(f"{expanded!r}: pixi's shell would expand it; rename the folder, or use --env-backend uv")
    if tool is None:
        raise EnvironmentFailure(f"pixi is gone: install it, or use --env-backend uv for environment {spec.name}")
    return [*_pixi(tool, "run"), *_manifest(directory), "python", *arguments]

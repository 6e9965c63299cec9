"""The machine: programs that environments are made with, the GPU and what is compiled for it, disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.environments import manager, pixi, uv
from harness.environments.gpu import (
    BLACKWELL,
    TORCH_CUDA_MAJOR,
    compute_capabilities,
    has_compiler,
    host_mmcv_build,
    nvcc_version,
)
from harness.environments.spec import DEFAULT, ENVIRONMENTS, find_spec
from rewards.scorers.card import Weight
from wire.errors import EnvironmentFailure
from wire.gpus import listed_gpus
from wire.host import memory
from wire.paths import home

#: Seconds for a program to answer.
TIMEOUT = 20.0
#: The device of AMD's compute driver.
AMD = Path("/dev/kfd")
#: Images of the full sweep, 553 prompts x 4.
SWEEP = 2212
#: An image as raw RGB of 512 x 512 pixels: more than PNG makes of it.
IMAGE_GB = 512 * 512 * 3 / 1e9
#: A finding's status, best first: all is well, a run may still work, a run cannot work.
OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """What a check saw, and what to do about it; ``hint`` is empty when all is well."""

    subject: str
    status: str
    text: str
    hint: str = ""


def python() -> Finding:
    """The interpreter of the orchestrator."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", OK, f"{version} at {sys.executable}")


def uv_tool() -> Finding:
    """uv makes the environments: nothing works without it."""
    return _tool("uv", uv.find(), FAILURE, "pip install uv")


def pixi_tool() -> Finding:
    """pixi is only wanted where there is a GPU."""
    absent = WARNING if compute_capabilities() else OK
    return _tool("pixi", pixi.find(), absent, "install pixi, or use --env-backend uv")


def _tool(name: str, path: str | None, absent: str, hint: str) -> Finding:
    if path is None:
        return Finding(name, absent, "not installed", hint if absent != OK else "")
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, FAILURE, f"{path} does not run: {error}", hint)
    if answer.returncode != 0:
        return Finding(name, FAILURE, f"{path} does not run: {answer.stderr.strip()[:200]}", hint)
    return Finding(name, OK, f"{answer.stdout.strip()} at {path}")


def compiler() -> Finding:
    """mmcv is compiled from source where there is one; else mmcv-lite serves."""
    return Finding("C++ compiler", OK, "found" if has_compiler() else "none; not needed with mmcv-lite")


def gpu() -> Finding:
    """GPUs, with their driver."""
    try:
        gpus = listed_gpus()
    except EnvironmentFailure as error:
        fault, _, hint = str(error).rpartition(": ")
        return Finding("GPU", FAILURE, fault, hint)
    if not gpus:
        hint = "a CPU works, but slowly; is `nvidia-smi` on PATH?"
        return other_gpu() or Finding("GPU", WARNING, "none found", hint)
    nvcc = nvcc_version()
    found = "; ".join(", ".join(vars(one).values()) for one in gpus)
    return Finding("GPU", OK, f"{found}; " + (f"nvcc {nvcc}" if nvcc else "no nvcc"))


def other_gpu() -> Finding | None:
    """A GPU of AMD, which the stages' torch cannot use."""
    if not (AMD.exists() or shutil.which("rocm-smi")):
        return None
    hint = "use a machine with an NVIDIA GPU; here everything is computed on the CPU"
    return Finding(
        "GPU", WARNING, "an AMD GPU, which is not supported: the environments' torch is built for CUDA", hint
    )


def detector() -> Finding:
    """What GenEval's detector runs on, and who computes its deformable attention."""
    capabilities, environment = compute_capabilities(), manager.locate(ENVIRONMENTS["geneval"])
    if line := manager.substitution(environment.spec, "auto"):
        return Finding("detector", WARNING, line, "nothing to do: the numbers agree up to rounding")
    if environment.backend == "pixi":
        return Finding("detector", OK, f"mmcv compiled by pixi for the GPU found ({', '.join(capabilities)})")
    build = host_mmcv_build()
    if environment.backend == "uv" and build.cuda != "none":
        return Finding("detector", OK, f"mmcv compiled with CUDA {build.cuda} for {build.architectures}")
    mmcv = "mmcv compiled for the CPU" if environment.backend == "uv" else f"{environment.backend}, nothing compiled"
    if not capabilities:
        return Finding("detector", OK, f"{mmcv}; there is no GPU")
    where = "objects are detected on the GPU, with torch's grid_sample in place of mmcv's compiled operator"
    return Finding("detector", OK, f"{mmcv}: {where} ({_why_not_compiled(capabilities)})")


def _why_not_compiled(capabilities: Sequence[str]) -> str:
    nvcc = nvcc_version()
    if any(float(one) >= BLACKWELL for one in capabilities):
        return "the GPU is newer than the torch that mmcv is compiled for"
    if nvcc and nvcc.split(".")[0] == TORCH_CUDA_MAJOR:
        return "there is no C++ compiler"
    missing = f"nvcc is {nvcc}, CUDA {TORCH_CUDA_MAJOR} is needed" if nvcc else "there is no nvcc"
    return f"{missing}; pixi would bring its own"


def existing(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def disk(env_backend: str = "auto", names: Sequence[str] = DEFAULT) -> Finding:
    """Space for those of the environments that are missing."""
    missing = [name for name in names if not manager.locate(find_spec(name), env_backend).ready]
    needed, free = sum(find_spec(name).disk_gb for name in missing), _free_gb(existing(home()))
    text = f"{free:.0f} GB free at {home()}, {needed} GB needed for environments"
    if free < needed:
        return Finding("disk", FAILURE, text, "free some space, or set MIRO_EVAL_HOME to another disk")
    return Finding("disk", OK, text)


def write_access() -> Finding:
    """Whether our folder can be written: tried, since a mount or a full quota shows only then."""
    folder = existing(home())
    if fault := _write_fault(folder):
        return Finding("write access", FAILURE, f"{folder}: {fault}", "set MIRO_EVAL_HOME to a folder of yours")
    return Finding("write access", OK, str(folder))


def room_for_images(out: Path, images: int = SWEEP) -> Finding:
    """Whether so many images can be written where the run goes."""
    folder = existing(out)
    if not folder.is_dir():
        return Finding("output", FAILURE, f"{folder} is not a folder", "choose another --out")
    if fault := _write_fault(folder):
        return Finding("output", FAILURE, f"{folder}: {fault}", "choose another --out")
    free = _free_gb(folder)
    which = "a full sweep's" if images == SWEEP else f"{images}"
    text = f"{free:.1f} GB free at {folder}, {which} images take up to {images * IMAGE_GB:.1f} GB"
    if free < images * IMAGE_GB:
        return Finding("output", WARNING, text, "free some space, or choose another --out")
    return Finding("output", OK, text)


def room_to_load(weights: Mapping[str, Collection[Weight]]) -> Finding:
    """Whether this machine's memory holds each metric's model while it is loaded; the GPU's is another matter."""
    free, needed = memory(), {metric: sum(weight.loading for weight in its) for metric, its in weights.items()}
    large = [f"{metric} takes about {size / 1e9:.0f} GB" for metric, size in needed.items() if size > free]
    text, hint = f"{free / 1e9:.0f} GB free", "use a machine (or a job) with more memory"
    if not large:
        return Finding("memory", OK, text)
    text += f", and {', '.join(large)} of it while its model is loaded"
    if len(large) == len(weights):
        return Finding("memory", FAILURE, text, hint)
    return Finding("memory", WARNING, f"{text}: it would stay unscored", f"{hint}, or name the others by --metric")


def _free_gb(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 1e9


def _write_fault(folder: Path) -> str:
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return ""

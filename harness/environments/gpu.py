"""What the host can compile for and run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

from wire.errors import EnvironmentFailure
from wire.gpus import listed_gpus
from wire.host import compilers

#: Gigabytes that a compiler takes on mmcv's sources, measured.
CPP_GB, NVCC_GB = 0.6, 1.3


def compute_capabilities() -> tuple[str, ...]:
    """Compute capabilities of the NVIDIA GPUs present, e.g. ``("9.0",)``; empty without a GPU or its driver."""
    try:
        return tuple(sorted({gpu.capability for gpu in listed_gpus() if gpu.capability}))
    except EnvironmentFailure:  # told where it stands in the way: the quick checks of a run, and doctor
        return ()


@cache
def nvcc_version() -> str | None:
    """Version of the CUDA compiler on the host, e.g. ``12.1``; None without one."""
    home = os.environ.get("CUDA_HOME")
    tool = shutil.which("nvcc", path=f"{home}/bin") if home else shutil.which("nvcc")
    if tool is None:
        return None
    answer = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"release (\d+\.\d+)", answer.stdout)
    return found.group(1) if found else None


def has_compiler() -> bool:
    """Whether a C++ compiler is on PATH."""
    return bool(shutil.which("c++") or shutil.which("g++"))


@dataclass(frozen=True)
class MmcvBuild:
    """How mmcv's operators are compiled. One wheel is built, and kept, for each distinct value."""

    cuda: str  #: version of the CUDA toolkit, or ``none`` for operators that run on the CPU only
    architectures: str  #: compute capabilities to generate code for, joined by ``;``

    def variables(self) -> dict[str, str]:
        """Environment variables that mmcv's and torch's build scripts read."""
        jobs = os.environ.get("MAX_JOBS") or str(compilers(CPP_GB if self.cuda == "none" else NVCC_GB))
        # -g0: the interpreter's own flags ask for debug information, a third of the compile time.
        common = {"MMCV_WITH_OPS": "1", "MAX_JOBS": jobs, "CFLAGS": "-g0"}
        if self.cuda == "none":
            return common | {"FORCE_CUDA": "0"}
        return common | {"FORCE_CUDA": "1", "TORCH_CUDA_ARCH_LIST": self.architectures}

    def arguments(self) -> list[str]:
        """uv options that make the build part of the wheel's cache key; the build script ignores the settings."""
        settings = {"cuda": self.cuda, "architectures": self.architectures}
        return [
            part for key, value in settings.items() for part in ("--config-settings-package", f"mmcv:{key}={value}")
        ]


#: Compute capability at which torch 2.4.0's code ends: it has none for this, or newer, GPUs.
BLACKWELL = 10.0
#: CUDA release series that torch 2.4.0's registry wheel is made for.
TORCH_CUDA_MAJOR = "12"


def host_mmcv_build() -> MmcvBuild:
    """The build for this host outside conda: CUDA where a GPU and a fitting nvcc are present, else CPU."""
    nvcc, architectures = nvcc_version(), compute_capabilities()
    if nvcc and architectures and nvcc.split(".")[0] == TORCH_CUDA_MAJOR:
        return MmcvBuild(nvcc, ";".join(architectures))
    return MmcvBuild("none", "cpu")


def can_compile_mmcv() -> bool:
    """Whether mmcv can be compiled here for what it would run on: the GPU where there is one, else the CPU."""
    return has_compiler() and (not compute_capabilities() or host_mmcv_build().cuda != "none")

"""The GPU, its driver, and what is compiled for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from harness.doctor.finding import FAILURE, OK, WARNING, Finding
from harness.environments.gpu import TORCH_CUDA_MAJOR, compute_capabilities, host_mmcv_build, nvcc_version
from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS

#: Seconds for the driver to answer.
TIMEOUT = 20.0


def gpu() -> Finding:
    """GPUs, with their driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("GPU", WARNING, "none found", "a CPU works, only slowly; is `nvidia-smi` on PATH?")
    query = [tool, "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("GPU", FAILURE, f"nvidia-smi does not answer ({error})", "reload the driver, or restart")
    lines = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode != 0 or not lines:
        said = (answer.stderr or answer.stdout).strip().splitlines() or ["nothing"]
        hint = "reload the driver or restart the machine, or run with --device cpu"
        return Finding("GPU", FAILURE, f"nvidia-smi fails: {said[0][:200]}", hint)
    nvcc = nvcc_version()
    return Finding("GPU", OK, f"{'; '.join(lines)}; " + (f"nvcc {nvcc}" if nvcc else "no nvcc"))


def gpu_quickly() -> Finding:
    """The same where it stops a run at once: a driver that is there and does not work."""
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", OK, "none")
    finding = gpu()
    return finding if finding.status == FAILURE else Finding("GPU", OK, finding.text)


def mmcv_build() -> Finding:
    """What mmcv's operators are, or would be, compiled for, against the GPU that is there."""
    capabilities, environment = compute_capabilities(), locate(ENVIRONMENTS["geneval"])
    built = "is" if environment.ready else "would be"
    if environment.backend == "pixi":
        return Finding("mmcv build", OK, f"{built} compiled by pixi, for the GPU found ({', '.join(capabilities)})")
    build = host_mmcv_build()
    if build.cuda != "none":
        return Finding("mmcv build", OK, f"{built} compiled with CUDA {build.cuda} for {build.architectures}")
    if not capabilities:
        return Finding("mmcv build", OK, f"{built} compiled for the CPU, as there is no GPU")
    nvcc = nvcc_version()
    why = f"nvcc is {nvcc}, CUDA {TORCH_CUDA_MAJOR} is needed" if nvcc else "there is no nvcc"
    hint = f"install pixi, or CUDA {TORCH_CUDA_MAJOR}'s nvcc (or set CUDA_HOME); else objects are detected on the CPU"
    return Finding("mmcv build", WARNING, f"{built} compiled for the CPU although there is a GPU: {why}", hint)


def unsupported(capabilities: Sequence[str], architectures: Sequence[str]) -> list[str]:
    """Capabilities that no compiled architecture serves: one of the same generation, and not newer, is needed.

    Args:
        capabilities: of the GPUs here, e.g. ``("9.0",)``.
        architectures: as torch lists them, e.g. ``["sm_80", "sm_90"]``; none means that nothing can be said.
    """
    made_for = [divmod(int(name[3:].rstrip("af")), 10) for name in architectures if name[3:].rstrip("af").isdigit()]
    wanted = {text: tuple(map(int, text.split("."))) for text in capabilities}
    return [
        text
        for text, (major, minor) in wanted.items()
        if made_for and not any(one == major and two <= minor for one, two in made_for)
    ]

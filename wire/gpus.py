"""The NVIDIA GPUs that the driver lists, and the device that a worker computes on."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from wire.errors import EnvironmentFailure, UserError

#: Seconds for the driver to answer.
TIMEOUT = 20.0
#: Oldest driver (its first number) that runs programs of a CUDA release, by the release's first number (NVIDIA's
#: table of minor-version compatibility).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
VISIBLE = "CUDA_VISIBLE_DEVICES"
#: What is asked of each GPU; a driver that is years old does not know its compute capability.
_FIELDS = ("name", "driver_version", "memory.total", "compute_cap")


@dataclass(frozen=True)
class Gpu:
    """One GPU, e.g. ``NVIDIA H100 80GB HBM3``, driver ``550.54.15``, ``81559 MiB``, compute capability ``9.0``."""

    name: str
    driver: str
    memory: str
    capability: str = ""


@cache
def listed_gpus() -> tuple[Gpu, ...]:
    """What ``nvidia-smi`` lists; nothing where it is not installed.
    Raises EnvironmentFailure: it is there, and fails or does not answer.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    answer = _ask(tool, _FIELDS)
    if answer.returncode and _FIELDS[-1] in answer.stdout + answer.stderr:
        answer = _ask(tool, _FIELDS[:-1])
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines() if line.strip()]
    gpus = tuple(Gpu(*row) for row in rows if len(row) in (3, 4))
    if answer.returncode or not gpus:
        said = (answer.stderr or answer.stdout).strip().splitlines() or ["nothing"]
        hint = "reload the driver or restart the machine, or use --device cpu"
        raise EnvironmentFailure(f"nvidia-smi fails: {said[0][:200].rstrip('.')}: {hint}")
    return gpus


def _ask(tool: str, fields: Sequence[str]) -> subprocess.CompletedProcess[str]:
    query = [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"nvidia-smi does not answer ({error}): reload the driver, or restart") from error


def too_old_for(driver: str, cuda: str) -> str | None:
    """Why a driver cannot run programs of a CUDA release, e.g. ``("550.54.15", "13.0")``; None where it can."""
    oldest = OLDEST_DRIVER.get(int(cuda.partition(".")[0]), 0)
    if int(driver.partition(".")[0]) >= oldest:
        return None
    return f"CUDA {cuda} needs driver {oldest} or later, and this one is {driver}"


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda:N`` for ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    Raises UserError: not a device's name; EnvironmentFailure: the GPU demanded is not there; ``auto``, and torch does
    not see a GPU that is listed.
    """
    if not isinstance(wanted, str) or not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", wanted):
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, not {wanted!r}")
    if wanted == "cpu":
        return wanted
    torch: Any = importlib.import_module("torch")  # which the stages' environments alone have

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto" and not count:
        _require_none_listed(torch.__version__, torch.version.cuda)
        return "cpu"
    number = 0 if wanted == "auto" else int(wanted.partition(":")[2] or 0)
    if number >= count:
        raise EnvironmentFailure(
            f"device {wanted} was requested, but torch sees {_count(count)}: use --device auto or cpu"
        )
    return f"cuda:{number}"


def hidden() -> bool:
    """Whether all GPUs are hidden on purpose."""
    return os.environ.get(VISIBLE) in ("", "-1")


def within_visible(ids: Sequence[str]) -> list[str]:
    """For each GPU what shows it alone to a worker: numbers count among those that this process was given.

    A UUID (``GPU-...``, ``MIG-...``) names its GPU wherever it stands.
    Raises UserError: a number beyond them.
    """
    inherited = os.environ.get(VISIBLE)
    if inherited is None:
        return list(ids)
    given = [] if hidden() else [part.strip() for part in inherited.split(",")]
    for name in ids:
        if name.isdecimal() and int(name) >= len(given):
            numbered = f" (numbered from 0 to {len(given) - 1})" if given else ""
            raise UserError(f"--gpus {name}: {VISIBLE}={inherited} leaves {_count(len(given))}{numbered}")
    return [given[int(name)] if name.isdecimal() else name for name in ids]


def _count(number: int) -> str:
    return f"{number or 'no'} GPU{'' if number == 1 else 's'}"


def _require_none_listed(torch_version: str, cuda: str | None) -> None:
    """A GPU that torch does not see is not left idle without a word."""
    try:
        gpus = () if hidden() else listed_gpus()
    except EnvironmentFailure:
        return  # a broken driver is the quick checks' matter; a host without one has nothing to offer
    if not gpus:
        return
    if cuda is None:
        why = "it is built without CUDA: remove this environment, and set it up again"
    else:
        mask = os.environ.get(VISIBLE)
        given = "is the job allowed to use it (--gres, the container's --gpus)?"
        why = too_old_for(gpus[0].driver, cuda) or (f"{VISIBLE} is {mask}" if mask else given)
    listed = f"{_count(len(gpus))} ({gpus[0].name}, driver {gpus[0].driver})"
    raise EnvironmentFailure(
        f"nvidia-smi lists {listed}, and torch {torch_version} (CUDA {cuda or 'none'}) sees none: {why}; "
        "or compute on the CPU with --device cpu"
    )

"""Look at the host as a run would, and say what is in the way and how to mend it.

A check is a function that returns its :class:`Finding`; :data:`CHECKS` lists them in the order shown.
Nothing is installed, fetched or changed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.environments import manager, pixi, uv
from harness.environments.gpu import compute_capabilities, nvcc_version
from harness.environments.spec import ENVIRONMENTS
from harness.errors import EnvironmentFailure
from harness.files import sha256_of_file
from harness.paths import home
from harness.weights import load_weights

#: A finding's status, best first.
OK, WARNING, FAILURE = "ok", "warning", "failure"
#: Seconds to wait for the hub.
TIMEOUT = 3.0


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes:
        subject: what was looked at.
        status: ``ok``, ``warning`` (a run may still work) or ``failure`` (it cannot).
        text: what was seen.
        mend: what to do; empty when all is well.
    """

    subject: str
    status: str
    text: str
    mend: str = ""


def python() -> Finding:
    """The interpreter of the orchestrator."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", OK, f"{version} at {sys.executable}")


def uv_tool() -> Finding:
    """uv makes the environments: nothing works without it."""
    return _tool("uv", uv.find(), FAILURE, "pip install uv")


def pixi_tool() -> Finding:
    """pixi is only wanted where there is a GPU."""
    wanted = bool(compute_capabilities())
    return _tool("pixi", pixi.find(), WARNING if wanted else OK, "install pixi, or keep to --env-backend uv")


def _tool(name: str, path: str | None, absent: str, mend: str) -> Finding:
    if path is None:
        return Finding(name, absent, "not installed", mend if absent != OK else "")
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return Finding(name, FAILURE, f"{path} does not run: {answer.stderr.strip()[:200]}", mend)
    return Finding(name, OK, f"{answer.stdout.strip()} at {path}")


def compiler() -> Finding:
    """mmcv is compiled from source, unless its environment is there already."""
    found = shutil.which("c++") or shutil.which("g++")
    if found or manager.locate(ENVIRONMENTS["geneval"]).ready:
        return Finding("C++ compiler", OK, found or "none, and none needed: mmcv is compiled already")
    return Finding("C++ compiler", FAILURE, "none", "install one, e.g. g++: mmcv is compiled from source")


def gpu() -> Finding:
    """GPUs and what mmcv would be compiled for."""
    capabilities = compute_capabilities()
    if not capabilities:
        return Finding("GPU", WARNING, "none found", "a CPU works, only slowly; is `nvidia-smi` on PATH?")
    compiler_version = nvcc_version()
    nvcc = f"nvcc {compiler_version}" if compiler_version else "no nvcc"
    return Finding("GPU", OK, f"compute capability {', '.join(capabilities)}; {nvcc}")


def disk() -> Finding:
    """Space for the environments that are missing."""
    folder = home()
    while not folder.exists():
        folder = folder.parent
    missing = [spec for spec in ENVIRONMENTS.values() if not manager.locate(spec).ready]
    needed, free = sum(spec.disk_gb for spec in missing), shutil.disk_usage(folder).free / 1e9
    text = f"{free:.0f} GB free at {home()}, {needed} GB needed for environments"
    if free < needed:
        return Finding("disk", FAILURE, text, "free some space, or set MIRO_EVAL_HOME to another disk")
    return Finding("disk", OK, text)


def write_access() -> Finding:
    """Whether our folder can be written."""
    folder = home()
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK):
        return Finding("write access", OK, str(folder))
    return Finding("write access", FAILURE, f"{folder} is read-only", "set MIRO_EVAL_HOME to a folder of yours")


def environments() -> Iterable[Finding]:
    """Each environment: made, and working when its health check is run now."""
    for spec in ENVIRONMENTS.values():
        environment = manager.locate(spec)
        name = f"environment {spec.name}"
        if not environment.ready:
            yield Finding(name, WARNING, "not set up", f"miro-eval envs setup {spec.name}")
            continue
        try:
            packages = manager.check(environment)
        except EnvironmentFailure as error:
            yield Finding(name, FAILURE, str(error).splitlines()[0], f"miro-eval envs remove {spec.name}, then set up")
            continue
        yield Finding(name, OK, f"{environment.backend}, torch {packages['torch']}, lock {environment.lock_hash}")


def weight_files() -> Iterable[Finding]:
    """The files of ``weights.toml``: there, and with the published bytes."""
    for weight in load_weights().values():
        name = f"weights {weight.name}"
        if not weight.path.exists():
            yield Finding(name, WARNING, "not here yet", f"fetched on first use, or put at {weight.path}")
        elif not sha256_of_file(weight.path).startswith(weight.sha256):
            yield Finding(name, FAILURE, f"{weight.path} has not the published bytes", "delete it; it is fetched again")
        else:
            yield Finding(name, OK, f"sha256 {weight.sha256[:12]}")


def hub() -> Finding:
    """Whether the model hub can be reached, or has been said to be away."""
    if os.environ.get("HF_HUB_OFFLINE") in ("1", "ON", "YES", "TRUE"):
        return Finding("model hub", OK, "HF_HUB_OFFLINE is set: cached models only")
    address = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=TIMEOUT).close()
    except OSError as error:
        mend = "check the network or HF_ENDPOINT; with everything cached, use --offline"
        return Finding("model hub", WARNING, f"{address.hostname} cannot be reached ({error})", mend)
    return Finding("model hub", OK, f"{address.hostname} answers; cache at {hub_cache()}")


def hub_cache() -> Path:
    """Where the hub's client keeps models."""
    root = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(root) / "hub")


#: In the order shown: first what everything else needs.
CHECKS: tuple[Callable[[], Finding | Iterable[Finding]], ...] = (
    python,
    uv_tool,
    pixi_tool,
    compiler,
    gpu,
    disk,
    write_access,
    environments,
    weight_files,
    hub,
)


def examine() -> Iterable[Finding]:
    """Run all checks, yielding findings as they come (health checks take seconds each)."""
    for check in CHECKS:
        found = check()
        yield from [found] if isinstance(found, Finding) else found

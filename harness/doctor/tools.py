"""The programs that environments are made with."""

from __future__ import annotations

import shutil
import subprocess
import sys

from harness.doctor.finding import FAILURE, OK, WARNING, Finding
from harness.environments import manager, pixi, uv
from harness.environments.gpu import compute_capabilities
from harness.environments.spec import ENVIRONMENTS

#: Seconds for a program to tell its version.
TIMEOUT = 20.0


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
    """mmcv is compiled from source, unless its environment is there already."""
    found = shutil.which("c++") or shutil.which("g++")
    if found or manager.locate(ENVIRONMENTS["geneval"]).ready:
        return Finding("C++ compiler", OK, found or "none, and none needed: mmcv is compiled already")
    return Finding("C++ compiler", FAILURE, "none", "install one, e.g. g++: mmcv is compiled from source")

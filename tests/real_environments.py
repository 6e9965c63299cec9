"""The real environments and the tiny world, made ready once for all tests that need them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from harness.environments import uv
from harness.environments.manager import Environment, ensure
from harness.environments.spec import ENVIRONMENTS
from harness.weights.weight_source import TinyWorld, make_tiny_world
from wire.paths import environment_files, home

ROOT = Path(__file__).resolve().parents[1]
MIRO_EVAL = Path(sys.executable).with_name("miro-eval")


def say(done: int, total: int, label: str) -> None:
    """Progress to the real standard error: the first set-up takes many minutes."""
    if done % 10 == 0:
        print(f"  {done}/{total} {label}" if total else f"  {label}", file=sys.__stderr__, flush=True)


@functools.cache
def environment(name: str, backend: str = "uv") -> Environment:
    """One of the three environments, installed by the product's own code."""
    return ensure(ENVIRONMENTS[name], backend, say)


@functools.cache
def with_pytest(name: str) -> Environment:
    """The same, with the locked pytest of its ``test`` group added."""
    made = environment(name)
    tool = uv.find()
    assert tool is not None
    files = str(environment_files(name))
    export = [tool, "export", "--quiet", "--frozen", "--only-group", "test", "--project", files]
    requirements = subprocess.run(export, check=True, capture_output=True, text=True).stdout
    python = made.command()[0]
    install = [tool, "pip", "install", "--quiet", "--python", python, "--requirements", "-"]
    subprocess.run(install, check=True, input=requirements, text=True)
    return made


@functools.cache
def miro_sdist() -> Path:
    """miro-t2i's source distribution, unpacked: it holds the scripts that the generation stage is compared with."""
    folder = home() / "test-data"
    unpacked = folder / "miro_t2i-0.1.4"
    if not unpacked.exists():
        download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "miro-t2i==0.1.4"]
        tool = uv.find()
        assert tool is not None
        subprocess.run([tool, "tool", "run", *download, "--dest", folder], check=True)
        with tarfile.open(folder / "miro_t2i-0.1.4.tar.gz") as archive:
            archive.extractall(folder / "partial", filter="data")
        (folder / "partial" / unpacked.name).rename(unpacked)
    return unpacked


@functools.cache
def world() -> TinyWorld:
    """The tiny world, built by the product's own code."""
    return make_tiny_world("uv", lambda _name: say)


def miro_eval(*arguments: str | Path, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [str(MIRO_EVAL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, env=dict(os.environ))

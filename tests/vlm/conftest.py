"""The judges' stand-ins for the whole session, every scorer loaded once from them, and their authors' own files."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rewards.stand_ins import hub_cache, loader, overlook

_WORLD = hub_cache("vlm")


def pytest_configure(config: pytest.Config) -> None:
    overlook(config)


@pytest.fixture(scope="session")
def world() -> Path:
    """The folder of the stand-ins, which is the hub cache of this process."""
    from rewards.tiny_world.vlm.world import write_world

    write_world(_WORLD)
    return _WORLD


@pytest.fixture(scope="session")
def load(world: Path) -> Callable[..., Any]:
    """See :func:`loader`."""
    return loader({})


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``packages("name==1.0", ...)``: a folder with them and nothing that they need, fetched by uv and thrown away."""

    def get(*names: str) -> Path:
        uv, folder = os.environ.get("UV") or shutil.which("uv"), tmp_path_factory.mktemp("packages")
        if uv is None:
            pytest.skip(f"uv is not installed: {', '.join(names)} cannot be had")
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
        done = subprocess.run([*install, *names], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{', '.join(names)} cannot be had: {done.stderr[-300:]}")
        return folder

    return get


@pytest.fixture(scope="session")
def published() -> Callable[[str, str], Path]:
    """``published(address, sha256)``: an author's file, from ``$MIRO_EVAL_REFERENCES`` or fetched.

    It is another's work under another licence, and therefore not here; where it is not to be had, the test is skipped.
    """

    def get(address: str, sha256: str) -> Path:
        file = Path(os.environ.get("MIRO_EVAL_REFERENCES", _WORLD)) / address.rpartition("/")[2]
        if not file.exists():
            try:
                with urllib.request.urlopen(address, timeout=10) as answer:  # an address of ours, by https
                    content = answer.read()
            except OSError as error:
                pytest.skip(f"{address} is not to be had ({error}); put it into $MIRO_EVAL_REFERENCES")
            file.write_bytes(content)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256
        return file

    return get

"""The tiny world, built once per test run, as the hub cache of this process and of the workers it starts."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The hub's libraries read these when they are imported, which is before any fixture runs.
_HF_HOME = Path(tempfile.mkdtemp(prefix="miro-eval-tiny-world-"))
atexit.register(shutil.rmtree, _HF_HOME, ignore_errors=True)
os.environ.update(HF_HOME=str(_HF_HOME), HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")


@dataclass(frozen=True)
class World:
    """Where the tiny world's checkpoints are."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "tiny-miro" / "last.ckpt"

    @property
    def hub_folder(self) -> Path:
        return self.folder / "checkpoints" / "tiny-miro-hub"

    @property
    def diffusers_folder(self) -> Path:
        return self.folder / "checkpoints" / "tiny-diffusers"


@pytest.fixture(scope="session")
def world() -> World:
    """The tiny world in this process's HF_HOME."""
    pytest.importorskip("miro", reason="runs in the generation environment")
    command = [sys.executable, "-m", "generation.tiny_world", str(_HF_HOME)]
    subprocess.run(command, check=True, capture_output=True)
    return World(_HF_HOME)


@pytest.fixture
def own_checkpoint(world: World, tmp_path: Path) -> Path:
    """A copy of the tiny ``.ckpt`` and its ``config.yaml`` that the test may spoil."""
    folder = tmp_path / "copy"
    shutil.copytree(world.checkpoint.parent, folder)
    return folder / "last.ckpt"


@pytest.fixture(scope="session")
def model(world: World) -> Any:
    """The tiny checkpoint, loaded by us, on the CPU in float32."""
    import torch

    from generation.checkpoint_kinds import describe_checkpoint
    from generation.checkpoints import load_checkpoint

    loaded = load_checkpoint(describe_checkpoint(str(world.checkpoint))).model
    loaded.to(torch.device("cpu"), torch.float32)
    return loaded


def pytest_configure(config: pytest.Config) -> None:
    """Other packages warn of their own deprecations and of the GPU that is not there; we warn of nothing."""
    for category in ("UserWarning", "FutureWarning", "DeprecationWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::{category}")

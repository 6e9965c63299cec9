"""Weights in torch's oldest form, which this environment's torch would run code from."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="runs in the geneval environment")

from geneval.detectors.checkpoint import read_state
from wire.errors import EnvironmentFailure


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> Any:
        return os.system, (self._command,)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_archive_is_refused_and_runs_nothing(tmp_path: Path, mode: Any) -> None:
    path, trace = tmp_path / "weights.pth", tmp_path / "was_here"
    with tarfile.open(path, mode) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(Payload(f"touch {trace}"), protocol=2)
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    with pytest.raises(EnvironmentFailure, match="a tar archive"):
        read_state(path)
    assert not trace.exists()

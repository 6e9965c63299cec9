"""The parts of the GPU script that need no GPU."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import torch

from bench.gpu import mmcv_build
from bench.parity import compare
from geneval.detectors import Execution, load_detector
from tests.geneval.scenes import draw


def test_mmcv_is_built_for_the_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(subprocess, "run", lambda command, check, env: asked.append((command, env)))
    assert mmcv_build.build("mmcv-2.1.0.tar.gz", tmp_path, 3) >= 0
    ((command, environment),) = asked
    assert command[-3:] == ["--target", str(tmp_path), "mmcv-2.1.0.tar.gz"]
    assert {"--no-build-isolation", "--no-deps"} <= set(command)
    wanted = {"TORCH_CUDA_ARCH_LIST": "9.0", "FORCE_CUDA": "1", "MMCV_WITH_OPS": "1", "MAX_JOBS": "3"}
    assert wanted.items() <= environment.items()


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="PyTorch sees no GPU here"):
        mmcv_build.main(["--folder", str(tmp_path)])


def test_the_forms_of_deformable_attention_agree(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(mmcv_build, "LEVELS", ((3, 4), (6, 8), (12, 16)))
    mmcv_build.compare_op("cpu", 2)
    rows = re.findall(r"\| (.*grid_sample) \| (\S+) \|", capsys.readouterr().out)
    assert [name for name, _ in rows] == ["mmcv's grid_sample", "our grid_sample"]
    assert all(0 < float(off) < 1e-5 for _, off in rows)


def test_outputs_are_brought_back_before_they_are_compared(tiny_files: Path) -> None:
    weights, config = tiny_files / "mask2former.pth", tiny_files / "mask2former_tiny.py"
    detector = load_detector("mmdet", weights, config, Execution(precision="exact"))
    found = compare(detector, mmcv_build._BackOnCpu(detector), [np.asarray(draw(1))])  # type: ignore[arg-type]
    assert (found.images, found.same_objects, found.classes, found.masks) == (1, 1, 0, 0)

"""The tiny world, and warnings that this stage's libraries give on import or by design."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    with contextlib.suppress(ImportError):  # before mmcv's operators, which mmcv-lite lacks
        importlib.import_module("geneval.detectors.mmdet_mask2former")
    # torch, mmengine, mmdet, open_clip, timm and sklearn warn of each other's and Python's changes when imported.
    for category in ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning", "ImportWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::{category}")
    # mmdet's deformable attention calls torch.meshgrid without the argument that torch will require one day.
    config.addinivalue_line("filterwarnings", "ignore:torch.meshgrid:UserWarning")
    # mmdet warns that checkpoints without class names get COCO's, which these are.
    config.addinivalue_line("filterwarnings", "ignore:dataset_meta or class names:UserWarning")


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the tiny detector, its config and the tiny CLIP."""
    pytest.importorskip("mmdet", reason="runs in the geneval environment")
    from geneval.tiny_world.__main__ import main

    folder = tmp_path_factory.mktemp("tiny_world")
    assert main([str(folder)]) == 0
    return folder / "files"

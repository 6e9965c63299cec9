"""The tiny world is stable, small, and of upstream's making."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from tests.generation.conftest import World  # noqa: E402 - torch decides whether this module runs


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_bytes_each_time_and_small(world: World, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "generation.tiny_world", str(tmp_path)], check=True, capture_output=True)
    ours = hashes(tmp_path)
    assert ours.items() <= hashes(world.folder).items()
    files = [path.stat() for path in tmp_path.rglob("*") if path.is_file()]
    assert sum({file.st_ino: file.st_size for file in files}.values()) < 20e6  # variants share files by hard links


def test_checkpoint_is_one_that_lightning_trained(world: World) -> None:
    content = torch.load(world.checkpoint, weights_only=False)
    assert content["global_step"] == 1
    assert {"state_dict", "optimizer_states", "lr_schedulers", "pytorch-lightning_version"} <= content.keys()
    assert content["optimizer_states"][0]["state"]


def test_both_tokenizer_classes_agree(world: World) -> None:
    from transformers import AutoTokenizer, T5Tokenizer

    prompt = "a photo of a purple wine glass and a black apple"
    tokens = AutoTokenizer.from_pretrained("google/flan-t5-xl")(prompt)["input_ids"]
    assert tokens == T5Tokenizer.from_pretrained("google/flan-t5-xl")(prompt)["input_ids"]
    assert tokens[-1] == 1
    assert 2 not in tokens

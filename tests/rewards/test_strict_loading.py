"""A checkpoint that lacks one key, or has one too many, is refused by every scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rewards.scorers import SCORERS, Scorer
from tests.rewards.pairs import HERE
from wire.errors import EnvironmentFailure

ALL = pytest.mark.parametrize("metric", HERE)


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """Other bytes in a file for a while."""
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(original)


def weight_path(metric: str, files: Mapping[str, str]) -> Path:
    """The metric's first weight file."""
    return SCORERS[metric]().resolve(files)[0].path


def edited(path: Path, extra: Mapping[str, torch.Tensor], drop: str = "") -> bytes:
    """The checkpoint with entries added, and one whose name ends with ``drop`` left out."""
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        stored = torch.load(path, weights_only=True)
        state = stored.get("state_dict", stored)
    if drop:
        matching = [key for key in state if key.endswith(drop)]
        del state[matching[len(matching) // 2]]
    state |= extra
    other = path.with_name("edited")
    _save(state, other, path)
    content = other.read_bytes()
    other.unlink()
    return content


def _save(state: dict[str, Any], other: Path, like: Path) -> None:
    if like.suffix == ".safetensors":
        save_file(state, other, metadata={"format": "pt"})
    else:
        torch.save({"state_dict": state} if like.name.startswith("HPS") else state, other)


def fresh(metric: str) -> Scorer:
    return SCORERS[metric]()


@ALL
def test_a_missing_key_is_refused(metric: str, files: Mapping[str, str]) -> None:
    path = weight_path(metric, files)
    with replaced(path, edited(path, {}, drop=".weight")), pytest.raises(EnvironmentFailure) as caught:
        fresh(metric).load("cpu", "reference", files)
    assert len(str(caught.value).splitlines()) == 1


@ALL
def test_an_unknown_key_is_refused(metric: str, files: Mapping[str, str]) -> None:
    path = weight_path(metric, files)
    with (
        replaced(path, edited(path, {"surplus.weight": torch.zeros(2)})),
        pytest.raises(EnvironmentFailure, match="surplus"),
    ):
        fresh(metric).load("cpu", "reference", files)


@ALL
def test_a_file_cut_short_is_refused(metric: str, files: Mapping[str, str]) -> None:
    path = weight_path(metric, files)
    with replaced(path, path.read_bytes()[:5000]), pytest.raises(EnvironmentFailure) as caught:
        fresh(metric).load("cpu", "reference", files)
    assert len(str(caught.value).splitlines()) == 1


def test_the_aesthetic_head_is_checked_too(files: Mapping[str, str]) -> None:
    path = Path(files["aesthetic-mlp"])
    with replaced(path, edited(path, {}, drop=".bias")), pytest.raises(EnvironmentFailure, match="1 keys missing"):
        fresh("aesthetic").load("cpu", "reference", files)


def test_a_vision_tower_is_whole_or_absent(files: Mapping[str, str]) -> None:
    path = weight_path("vqa_xl", files)
    with (
        replaced(path, edited(path, {}, drop="post_layernorm.weight")),
        pytest.raises(EnvironmentFailure, match="1 keys missing, 0 unknown"),
    ):
        fresh("vqa_xl").load("cpu", "reference", files)


def test_position_ids_of_older_releases_are_no_obstacle(files: Mapping[str, str]) -> None:
    path = weight_path("pick_score", files)
    stored = {"vision_model.embeddings.position_ids": torch.arange(50)}
    with replaced(path, edited(path, stored)):
        fresh("pick_score").load("cpu", "reference", files)


def test_a_checkpoint_with_code_in_it_does_not_run(files: Mapping[str, str]) -> None:
    path = weight_path("hpsv2.1", files)
    other = path.with_name("code")
    torch.save({"state_dict": Dangerous()}, other)
    content = other.read_bytes()
    other.unlink()
    with replaced(path, content), pytest.raises(EnvironmentFailure, match="not a readable checkpoint"):
        fresh("hpsv2.1").load("cpu", "reference", files)


class Dangerous:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("code from a checkpoint ran",))

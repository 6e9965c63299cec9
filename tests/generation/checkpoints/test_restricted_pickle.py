"""A checkpoint is a pickle, and a pickle is a program: ours do not run it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("omegaconf", reason="runs in the generation environment")

from generation.checkpoints.restricted_pickle import read_lightning  # noqa: E402 - torch decides whether this runs
from wire.errors import UserError  # noqa: E402


class Attack:
    """Unpickles into a call of ``os.system``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def attack(tmp_path: Path) -> Path:
    path = tmp_path / "attack.ckpt"
    torch.save({"state_dict": {"x": torch.zeros(1)}, "callbacks": Attack(tmp_path / "marker")}, path)
    return path


def test_what_it_asks_for_is_named_and_not_run(attack: Path) -> None:
    with pytest.raises(UserError, match=r"would run posix\.system; .* --trust-checkpoint"):
        read_lightning(attack, trusted=False)
    assert not (attack.parent / "marker").exists()


def test_trust_lets_it_run(attack: Path) -> None:
    read_lightning(attack, trusted=True)
    assert (attack.parent / "marker").exists()


def test_what_training_leaves_is_allowed(tmp_path: Path) -> None:
    from collections import defaultdict

    from omegaconf import OmegaConf

    path = tmp_path / "last.ckpt"
    betas = OmegaConf.create([0.9, 0.999])
    optimizer = {"state": defaultdict(dict), "param_groups": [{"betas": betas}]}
    torch.save({"state_dict": {"x": torch.ones(2)}, "optimizer_states": [optimizer]}, path)
    assert torch.equal(read_lightning(path, trusted=False)["x"], torch.ones(2))


@pytest.mark.parametrize("trusted", [False, True])
def test_damaged_inside(tmp_path: Path, trusted: bool) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}}, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"last\.ckpt: unreadable or damaged"):
        read_lightning(path, trusted)

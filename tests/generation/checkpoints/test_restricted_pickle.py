"""A checkpoint is a pickle, and a pickle is a program: ours do not run it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("omegaconf", reason="runs in the generation environment")

from generation.checkpoints import restricted_pickle  # noqa: E402 - torch decides whether this runs
from generation.checkpoints.restricted_pickle import read_lightning  # noqa: E402
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


def resolving(text: str) -> Any:
    """A setting that, were it OmegaConf's own, would read the environment when it is looked at."""
    from omegaconf import OmegaConf

    return OmegaConf.create([text])


def test_settings_do_not_come_back_as_objects_that_resolve(tmp_path: Path) -> None:
    import omegaconf

    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}, "betas": resolving("${oc.env:HF_TOKEN}")}, path)
    read: Any = restricted_pickle._load(path, trusted=False)
    assert type(read["betas"]).__module__ == restricted_pickle.__name__
    assert isinstance(restricted_pickle._load(path, trusted=True)["betas"], omegaconf.ListConfig)


class Key:
    """Pickles into a setting as a key of a mapping: OmegaConf's own is resolved there, to be hashed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        from omegaconf.nodes import AnyNode

        return AnyNode, (self.text,)


@pytest.mark.parametrize("key", [Key("${oc.env:HF_TOKEN}"), Key("${oc.decode:'${oc.env:HF_TOKEN} ['}")])
def test_no_setting_is_resolved(tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asked: list[str] = []
    monkeypatch.setattr("omegaconf.base.Container._resolve_interpolation_from_parse_tree", asked.append)
    monkeypatch.setattr("omegaconf.nodes.AnyNode.__init__", lambda _self, *parts: asked.append(str(parts)))
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}, "settings": {key: 1}}, path)
    assert read_lightning(path, trusted=False).keys() == {"x"}
    assert asked == []


@pytest.mark.parametrize("value", [resolving("${oc.env:HF_TOKEN}"), "text", 1.0, [torch.ones(1)]])
def test_state_of_anything_but_tensors(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"ema_network.output_scaling": value}}, path)
    with pytest.raises(UserError, match=r"something else than tensors \('ema_network\.output_scaling'\)"):
        read_lightning(path, trusted=False)


def test_state_under_keys_that_are_no_text(tmp_path: Path) -> None:
    torch.save({"state_dict": {1: torch.ones(1)}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="a key that is no text"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


class WrongArguments:
    """Unpickles into a call of an allowed type that it does not take."""

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (1, 2, 3)


def test_calls_that_fail_are_damage(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": torch.ones(1)}, "a": WrongArguments()}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="unreadable or damaged"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


@pytest.mark.parametrize("trusted", [False, True])
def test_damaged_inside(tmp_path: Path, trusted: bool) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}}, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"last\.ckpt: unreadable or damaged"):
        read_lightning(path, trusted)

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the geneval environment")
pytest.importorskip("mmdet", reason="runs in the geneval environment")

import numpy as np  # noqa: E402

from geneval.detectors.checkpoint import load_strictly, read_state, to_layout_2, to_layout_3  # noqa: E402
from geneval.detectors.mmdet_mask2former import shipped_config  # noqa: E402
from wire.protocol import EnvironmentFailure  # noqa: E402


@pytest.fixture(scope="module")
def real_keys() -> list[str]:
    """Keys of the real Swin-S model, as mmdet 3 builds it."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    settings = Config.fromfile(shipped_config())
    settings.model.backbone.init_cfg = None
    return list(MODELS.build(settings.model).state_dict())


def test_180_of_649_keys_were_renamed(real_keys: list[str]) -> None:
    old = to_layout_2(dict.fromkeys(real_keys))
    assert len(real_keys) == len(old) == 649
    assert sum(key not in old for key in real_keys) == 180


def test_round_trip(real_keys: list[str]) -> None:
    numbered = {key: index for index, key in enumerate(real_keys)}
    assert to_layout_3(to_layout_2(numbered)) == numbered
    assert to_layout_3(numbered) == numbered


def test_cross_attention_comes_first() -> None:
    layer = "panoptic_head.transformer_decoder.layers.8."
    old = {f"{layer}attentions.0.attn.in_proj_weight": 0, f"{layer}attentions.1.attn.in_proj_weight": 1}
    assert to_layout_3(old) == {f"{layer}cross_attn.attn.in_proj_weight": 0, f"{layer}self_attn.attn.in_proj_weight": 1}


def test_the_real_keys_are_those_of_layout_3(real_keys: list[str]) -> None:
    assert [*to_layout_3(dict.fromkeys(real_keys))] == real_keys
    assert [*to_layout_2(dict.fromkeys(real_keys))] != real_keys


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_checkpoint_is_read_in_either_form(tmp_path: Path, wrapped: bool) -> None:
    weights = {"a.weight": torch.arange(3.0)}
    torch.save({"state_dict": weights, "meta": {"epoch": 50}} if wrapped else weights, tmp_path / "w.pth")
    assert torch.equal(read_state(tmp_path / "w.pth")["a.weight"], weights["a.weight"])


def test_notes_on_the_training_are_no_obstacle(tmp_path: Path) -> None:
    notes = {"CLASSES": ("person",), "mAP": np.float64(0.5), "losses": np.arange(3), "env_info": "sys.platform: linux"}
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": notes}, tmp_path / "w.pth")
    assert list(read_state(tmp_path / "w.pth")) == ["a"]


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("owned",)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Hostile()}, "w.pth")
    with pytest.raises(EnvironmentFailure, match=r"w\.pth: not a readable checkpoint \(it holds a \w+\.mkdir, which"):
        read_state(Path("w.pth"))
    assert not Path("owned").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", pickle.dumps([1], 2), pickle.dumps({"state_dict": {}}, 2)]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(EnvironmentFailure, match=r"w\.pth: (not a readable checkpoint|holds no state dict)"):
        read_state(path)


def test_a_strict_load_names_what_does_not_fit(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    state = {"weight": torch.zeros(3, 5), "scale": torch.zeros(1)}
    with pytest.raises(EnvironmentFailure) as fault:
        load_strictly(model, state, tmp_path / "w.pth")
    assert "1 missing (bias); 1 unknown (scale); 1 of another shape (weight)" in str(fault.value)


def test_a_strict_load_names_no_more_than_a_few(tmp_path: Path) -> None:
    state = {f"k{index}": torch.zeros(1) for index in range(9)}
    with pytest.raises(EnvironmentFailure, match=r"9 unknown \(k0, k1, k2, \.\.\.\)"):
        load_strictly(torch.nn.Identity(), state, tmp_path / "w.pth")

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the geneval environment")

from geneval.detectors.checkpoint import to_layout_3  # noqa: E402
from geneval.tiny_world.__main__ import main  # noqa: E402


def test_the_same_bytes_each_time(tiny_files: Path, tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    files = sorted(path.name for path in tiny_files.iterdir())
    assert files == ["clip-vit-l-14.pt", "mask2former.pth", "mask2former_tiny.py"]
    for name in files:
        assert (tmp_path / "files" / name).read_bytes() == (tiny_files / name).read_bytes()


def test_it_is_small(tiny_files: Path) -> None:
    assert sum(path.stat().st_size for path in tiny_files.iterdir()) < 20_000_000


def test_the_checkpoint_has_the_layout_of_genevals_download(tiny_files: Path) -> None:
    state = torch.load(tiny_files / "mask2former.pth", weights_only=True)["state_dict"]
    assert to_layout_3(state).keys() != state.keys()


def test_clip_has_openais_layout(tiny_files: Path) -> None:
    state = torch.load(tiny_files / "clip-vit-l-14.pt", weights_only=True)
    assert state["text_projection"].shape == (64, 768)
    assert state["visual.conv1.weight"].shape == (64, 3, 14, 14)
    assert state["visual.positional_embedding"].shape == (1 + 16 * 16, 64)
    assert state["token_embedding.weight"].shape == (49408, 64)
    assert int(state["input_resolution"]) == 224
    halves = ("visual.proj", "text_projection", "visual.conv1.weight", "transformer.resblocks.0.attn.in_proj_weight")
    assert {state[key].dtype for key in halves} == {torch.float16}
    assert {state[key].dtype for key in ("token_embedding.weight", "ln_final.weight")} == {torch.float32}


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m geneval.tiny_world FOLDER\n"
    assert "geneval.tiny_world" in sys.modules

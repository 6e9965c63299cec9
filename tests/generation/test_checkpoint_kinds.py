"""What a checkpoint argument is taken for."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from generation.checkpoint_kinds import FOLDER, HUB_FILES, LIGHTNING, REPO, describe_checkpoint
from wire.errors import UserError


@pytest.fixture
def lightning(tmp_path: Path) -> Path:
    path = tmp_path / "step=5.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 5000)
    (tmp_path / "config.yaml").write_text("model: {}\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in HUB_FILES:
        (tmp_path / "published" / "small").mkdir(parents=True, exist_ok=True)
        (tmp_path / "published" / name).write_text("x")
        (tmp_path / "published" / "small" / name).write_text("x")
    return tmp_path / "published"


def test_lightning_file(lightning: Path) -> None:
    found = describe_checkpoint(str(lightning))
    assert (found.kind, found.name, found.path) == (LIGHTNING, "step=5", lightning)


def test_folder_and_variant(folder: Path) -> None:
    assert describe_checkpoint(str(folder)).kind == FOLDER
    assert describe_checkpoint(str(folder)).name == "published"
    assert describe_checkpoint(str(folder), variant="small").path == folder / "small"


def test_repository() -> None:
    found = describe_checkpoint("nicolas-dufour/miro-ablations@abc123", variant="miro-no-clip")
    assert (found.kind, found.repo, found.revision) == (REPO, "nicolas-dufour/miro-ablations", "abc123")
    assert found.name == "miro-no-clip"
    assert describe_checkpoint("nicolas-dufour/miro", revision="v1").revision == "v1"


def test_what_exists_is_local_even_if_it_reads_like_a_repository(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe_checkpoint("published/small").kind == FOLDER
    assert describe_checkpoint("published/small", kind=REPO).kind == REPO


def complaint(text: str | Path, **more: str) -> str:
    with pytest.raises(UserError) as caught:
        describe_checkpoint(str(text), **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    assert "no such file or folder" in complaint("gone.ckpt")
    assert "no such file or folder" in complaint("org/gone.ckpt")
    assert "no such file or folder" in complaint("checkpoints/mistyped")
    assert "no such file or folder" in complaint(tmp_path / "gone")


def test_lightning_without_configuration(lightning: Path) -> None:
    (lightning.parent / "config.yaml").unlink()
    assert "no config.yaml beside it" in complaint(lightning)


def test_truncated_file(lightning: Path) -> None:
    lightning.write_bytes(lightning.read_bytes()[:3000])
    assert "unreadable or cut short" in complaint(lightning)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_file_that_is_no_checkpoint(lightning: Path, content: bytes) -> None:
    lightning.write_bytes(content)
    assert "not a PyTorch checkpoint" in complaint(lightning)


def test_incomplete_folder(folder: Path) -> None:
    (folder / "uncond_embedding.npy").unlink()
    assert "uncond_embedding.npy missing" in complaint(folder)
    assert "there is no such folder" in complaint(folder, variant="large")


def test_folder_with_a_lightning_checkpoint(lightning: Path) -> None:
    assert "name the file (step=5.ckpt)" in complaint(lightning.parent)


def test_contradictions(lightning: Path, folder: Path) -> None:
    assert "not folder as demanded" in complaint(lightning, kind=FOLDER)
    assert "not diffusers as demanded" in complaint(lightning, kind="diffusers")
    assert "kind 'torchscript' is unknown" in complaint(lightning, kind="torchscript")
    assert "revision (v1) has a meaning" in complaint(folder, revision="v1")
    assert "variant (x) has a meaning" in complaint(lightning, variant="x")
    assert "names revision a" in complaint("org/name@a", revision="b")
    assert "not a repository id" in complaint("not/a/repo", kind=REPO)


def test_needs_no_heavy_import() -> None:
    program = "import sys, generation.checkpoint_kinds; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)

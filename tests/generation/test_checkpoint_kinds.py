"""What a checkpoint argument is taken for."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
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


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n"
#: What downloads and clones leave in place of a file, and what the message says of it.
SUBSTITUTES = [
    (POINTER, "a git-lfs pointer .*git lfs pull"),
    (b"<!DOCTYPE html>\n<html>", "a web page"),
    (b"\n  <html lang='en'>", "a web page"),
    (b"\xef\xbb\xbf<HTML>", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a server's message"),
    (b'{"error": "Repository not found"}', "a server's message"),
    (b"Entry not found", "a server's message"),
]


@pytest.mark.parametrize(("content", "told"), SUBSTITUTES)
def test_what_lies_in_place_of_weights_is_named(lightning: Path, folder: Path, content: bytes, told: str) -> None:
    lightning.write_bytes(content)
    assert re.search(f"step=5.ckpt: not a PyTorch checkpoint, but {told}", complaint(lightning))
    for name in HUB_FILES:
        (folder / name).write_bytes(content)
        assert re.search(f"{name}: {told}", complaint(folder))
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(("content", "told"), SUBSTITUTES)
def test_what_lies_in_place_of_the_configuration_is_named(lightning: Path, content: bytes, told: str) -> None:
    (lightning.parent / "config.yaml").write_bytes(content)
    assert re.search(f"config.yaml: {told}", complaint(lightning))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", "in that before 1.6"),
        (b"\x80\x04\x95", "a bare pickle"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "safetensors"),
        (b"", "an empty file"),
        (b"GGUF\x03\x00", "expected a .ckpt"),
        (bytes(5000), "empty space, which a download that did not finish leaves"),
        (b"404: Not Found", "a text that begins b'404: Not Found'"),
        (b'{"detail":\n"no access"}', "a text that begins"),
        (b"curl: (22) The requested URL returned error: 403", "a text that begins b'curl: (22)"),
        (b"/annex/objects/SHA256E-s1--x\n", "a text that begins b'/annex/objects"),
        (b"# xet version 0\r\nfilesize = 1\r\n", "a text that begins b'# xet version 0"),
    ],
)
def test_other_formats_are_named(lightning: Path, content: bytes, told: str) -> None:
    lightning.write_bytes(content)
    assert told in complaint(lightning)


@pytest.mark.parametrize("name", ["last.ckpt", "config.yaml"])
def test_links_that_lead_nowhere_are_named(lightning: Path, name: str) -> None:
    link = lightning.parent / name
    lightning.rename(lightning.with_name("last.ckpt"))
    link.unlink()
    link.symlink_to("gone")
    assert f"{link}: a link to gone, which is not there" in complaint(lightning.with_name("last.ckpt"))
    link.unlink()
    link.symlink_to(name)
    assert f"{link}: a link that leads back to itself" in complaint(lightning.with_name("last.ckpt"))


def test_links_of_other_kinds(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("../gone/model.safetensors")
    assert "model.safetensors: a link to ../gone/model.safetensors, which is not there" in complaint(folder)
    (tmp_path / "run").symlink_to("nowhere", target_is_directory=True)
    assert "a link to nowhere, which is not there" in complaint(tmp_path / "run")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "a link that leads back to itself" in complaint(tmp_path / "a")


def sharded(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("files", "who"),
    [
        (("latest", "zero_to_fp32.py", "checkpoint/mp_rank_00_model_states.pt"), "DeepSpeed"),
        (("latest", "global_step5/mp_rank_00_model_states.pt"), "DeepSpeed"),
        (("zero_pp_rank_0_mp_rank_00_optim_states.pt",), "DeepSpeed"),
        (("__0_0.distcp", "__1_0.distcp", "meta.pt"), "FSDP"),
        ((".metadata", "meta.pt"), "FSDP"),
    ],
)
def test_folders_of_distributed_training_are_named(tmp_path: Path, files: tuple[str, ...], who: str) -> None:
    place = sharded(tmp_path / "run" / "last.ckpt", *files)
    (tmp_path / "run" / "config.yaml").write_text("model: {}\n")
    assert re.search(rf"last.ckpt: a folder that {who} wrote, .* make one file", complaint(place))
    assert re.search(rf"run: holds last.ckpt, a folder that {who} wrote, .* make one file", complaint(place.parent))


def test_a_whole_checkpoint_beside_them_is_what_was_meant(lightning: Path) -> None:
    sharded(lightning.parent / "last.ckpt", "__0_0.distcp")
    assert "name the file (step=5.ckpt)" in complaint(lightning.parent)


def test_a_bomb_in_a_zip_archive_is_refused_before_it_is_unpacked(lightning: Path) -> None:
    for name, size in (("archive/data.pkl", 1 << 24), ("archive/data/0", 1 << 24)):
        with zipfile.ZipFile(lightning, "w") as archive:
            archive.writestr("archive/data.pkl", b"x")
            archive.writestr(name.replace("data.pkl", "more.pkl"), bytes(size), zipfile.ZIP_DEFLATED)
        assert lightning.stat().st_size < size // 100
        assert "its content is compressed" in complaint(lightning)


def test_a_pickle_that_is_far_too_large(lightning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.file_faults.LARGEST_PICKLE", 4999)
    assert "its data.pkl has 5000 bytes" in complaint(lightning)


def test_the_largest_of_several_pickles_counts(lightning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(lightning, "a") as archive:
        archive.writestr("other/data.pkl", b"x" * 6000)
    monkeypatch.setattr("generation.file_faults.LARGEST_PICKLE", 5500)
    assert "its data.pkl has 6000 bytes" in complaint(lightning)


def directory(archive: bytes) -> bytes:
    """An archive's central directory."""
    length, start = struct.unpack("<LL", archive[-10:-2])
    return archive[start : start + length]


def two_directories(seen: bytes, hidden: bytes, *, larger: bool) -> bytes:
    """An archive in which Python reads one directory, right before the end, and torch the one that is pointed to."""
    files, others = hidden[: -22 - len(directory(hidden))], seen[: -22 - len(directory(seen))]
    start, listed = len(files), directory(seen)
    content = files + directory(hidden) + others + listed
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(listed), start, 0)
    if larger:
        large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(listed), start)
        end = large + struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content), 1) + end
    return content + end


@pytest.mark.parametrize("larger", [False, True])
def test_an_archive_that_two_readers_read_differently(lightning: Path, larger: bool) -> None:
    """What is looked at here must be what torch unpacks: else a bomb comes past."""
    archives = []
    for method, size in ((zipfile.ZIP_STORED, 10), (zipfile.ZIP_DEFLATED, 1 << 24)):
        with zipfile.ZipFile(content := io.BytesIO(), "w", method) as archive:
            archive.writestr("archive/data.pkl", bytes(size))
        archives.append(content.getvalue())
    lightning.write_bytes(two_directories(*archives, larger=larger))
    assert "its end is not where it should be" in complaint(lightning)


@pytest.mark.parametrize(
    "spoil", [lambda data: data + b"x", lambda data: data[:-2] + b"\x01\x00x", lambda data: data[1:]]
)
def test_an_archive_with_more_or_less_around_it(lightning: Path, spoil: Callable[[bytes], bytes]) -> None:
    lightning.write_bytes(spoil(lightning.read_bytes()))
    assert re.search("unreadable or cut short|not a PyTorch checkpoint", complaint(lightning))


def test_a_program_of_torchscript(lightning: Path) -> None:
    with zipfile.ZipFile(lightning, "a") as archive:
        archive.writestr("archive/constants.pkl", b"x")
    assert "a TorchScript program" in complaint(lightning)


def test_incomplete_folder(folder: Path) -> None:
    (folder / "uncond_embedding.npy").unlink()
    assert "uncond_embedding.npy missing" in complaint(folder)
    assert "there is no such folder" in complaint(folder, variant="large")


def test_folder_with_a_lightning_checkpoint(lightning: Path) -> None:
    assert "name the file (step=5.ckpt)" in complaint(lightning.parent)


def test_contradictions(lightning: Path, folder: Path) -> None:
    assert "not folder as requested" in complaint(lightning, kind=FOLDER)
    assert "not diffusers as requested" in complaint(lightning, kind="diffusers")
    assert "kind 'torchscript' is unknown" in complaint(lightning, kind="torchscript")
    assert "revision (v1) applies" in complaint(folder, revision="v1")
    assert "variant (x) applies" in complaint(lightning, variant="x")
    assert "names revision a" in complaint("org/name@a", revision="b")
    assert "not a repository id" in complaint("not/a/repo", kind=REPO)


def test_needs_no_heavy_import() -> None:
    program = "import sys, generation.checkpoint_kinds; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)

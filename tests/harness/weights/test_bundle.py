from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.weights import WeightFile, bundle, load_hub, on_hub
from harness.weights import entries as entries_module
from tests.harness.weights.hub import COMMIT, put
from wire.errors import EnvironmentFailure, UserError

CONTENT = b"aesthetic" * 1000


def nothing(_done: int, _total: int, _label: str) -> None:
    pass


@pytest.fixture
def weight(cache: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    """The list has one file, whose bytes can be made here."""
    made = WeightFile("w", "w.pth", ("https://x/w",), hashlib.sha256(CONTENT).hexdigest(), ("rewards",), "MIT", "test")
    for module in (bundle, entries_module):
        monkeypatch.setattr(module, "load_weights", lambda: {"w": made})
    return made


def fill(cache: Path, weight: WeightFile) -> None:
    weight.path.parent.mkdir(parents=True, exist_ok=True)
    weight.path.write_bytes(CONTENT)
    put(cache, "config.json", b"{}", "Jialuo21/SciScore", large=False)
    put(cache, "model.safetensors", b"weights", "Jialuo21/SciScore")


def test_a_bundle_puts_everything_in_place_on_another_machine(
    cache: Path, weight: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, weight)
    sciscore = load_hub()["sciscore"]
    assert bundle.write([weight, sciscore], tmp_path / "all.tar", nothing) == 3
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "node"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "node-hub"))
    assert on_hub.missing(sciscore)
    assert len(bundle.unpack(tmp_path / "all.tar", nothing)) == 3
    assert weight.path.read_bytes() == CONTENT
    assert on_hub.missing(sciscore) == []
    assert on_hub.commit(sciscore) == COMMIT
    assert [file.path.read_bytes() for file in on_hub.cached_files(sciscore)] == [b"{}", b"weights"]
    assert all(file.path.is_symlink() for file in on_hub.cached_files(sciscore))
    assert bundle.unpack(tmp_path / "all.tar", nothing) == []


def test_what_is_not_here_cannot_be_bundled(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match=r"not here: w, sciscore; `miro-eval weights fetch w sciscore`"):
        bundle.write([weight, load_hub()["sciscore"]], tmp_path / "all.tar", nothing)
    fill(cache, weight)
    weight.path.write_bytes(b"rot")
    with pytest.raises(EnvironmentFailure, match="set aside"):
        bundle.write([weight], tmp_path / "all.tar", nothing)
    assert not list(tmp_path.glob("all.tar*"))


def member(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in changes.items():
        setattr(header, key, value)
    return header, content


def index(files: Iterable[dict[str, Any]] = (), links: Iterable[dict[str, Any]] = ()) -> tuple[tarfile.TarInfo, bytes]:
    return member("bundle.json", json.dumps({"schema": 1, "files": list(files), "links": list(links)}).encode())


def listed(place: str, content: bytes = b"x") -> dict[str, Any]:
    return {"place": place, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


LINK = {"repository": "models--a--b", "revision": COMMIT, "branch": "main", "name": "config.json", "blob": "0" * 40}
HOSTILE = {
    "no list": [member("x", b"x")],
    "a list that is none": [member("bundle.json", b"[1]")],
    "an unlisted file": [index(), member("files/w.pth", b"x")],
    "a way out": [index([listed("../../etc/passwd")]), member("../../etc/passwd", b"x")],
    "an absolute place": [index([listed("/etc/passwd")]), member("/etc/passwd", b"x")],
    "a file that is not on the list of weights": [index([listed("files/evil.pth")]), member("files/evil.pth", b"x")],
    "a folder that is none of the hub's": [index([listed("hub/../../x/" + "0" * 40)])],
    "a link for a file": [
        index([listed("files/w.pth", b"")]),
        member("files/w.pth", type=tarfile.SYMTYPE, linkname="/x"),
    ],
    "a hard link": [index([listed("files/w.pth", b"")]), member("files/w.pth", type=tarfile.LNKTYPE, linkname="/x")],
    "a device": [index([listed("files/w.pth", b"")]), member("files/w.pth", type=tarfile.CHRTYPE)],
    "another size": [index([listed("files/w.pth", b"xx")]), member("files/w.pth", b"x")],
    "a file that is missing": [index([listed("files/w.pth")])],
    "a link out of the repository": [index(links=[LINK | {"name": "../../../../x"}])],
    "a link with an absolute name": [index(links=[LINK | {"name": "/etc/x"}])],
    "a repository that is a way out": [index(links=[LINK | {"repository": "models--a/../../.."}])],
    "a branch that is a way out": [index(links=[LINK | {"branch": "../../x"}])],
    "a commit that is none": [index(links=[LINK | {"revision": "main"}])],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_and_leaves_nothing(
    name: str, cache: Path, weight: WeightFile, tmp_path: Path
) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for header, content in HOSTILE[name]:
            archive.addfile(header, io.BytesIO(content))
    with pytest.raises(UserError):
        bundle.unpack(path, nothing)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file != path]


def test_bytes_that_are_not_the_published_ones_are_refused(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / "wrong.tar"
    for promised, told in ((b"evil", "expected"), (b"good", "the bundle's list says")):
        with tarfile.open(path, "w") as archive:
            for header, content in [index([listed("files/w.pth", promised)]), member("files/w.pth", b"evil")]:
                archive.addfile(header, io.BytesIO(content))
        with pytest.raises(EnvironmentFailure, match=f"{told}.*: not unpacked"):
            bundle.unpack(path, nothing)
    assert not weight.path.exists()


def test_a_file_that_is_no_tar_is_refused(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    for content in (b"", b"hello" * 1000, b"\x1f\x8b"):
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(UserError, match="not a bundle"):
            bundle.unpack(tmp_path / "x.tar", nothing)

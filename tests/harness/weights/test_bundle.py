from __future__ import annotations

import errno
import hashlib
import io
import resource
import shutil
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.weights import app
from harness.weights import HubWeight, WeightFile, bundle, checksums, load_hub, on_hub
from harness.weights import entries as entries_module
from harness.weights.unbundle import unpack
from tests.harness.weights.hub import COMMIT, git_sha1, put
from tests.harness.weights.tars import index, left_in, listed, member, nothing, write_bundle, write_tar
from tests.wire.test_files import left
from wire.errors import DISK_FAULTS, EnvironmentFailure, UserError

CONTENT = b"aesthetic" * 1000


@pytest.fixture
def weight(cache: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    """The list has one file, whose bytes can be made here."""
    made = WeightFile("w", "w.pth", ("https://x/w",), hashlib.sha256(CONTENT).hexdigest(), ("rewards",), "MIT", "test")
    hub = load_hub()
    monkeypatch.setattr(entries_module, "_list", lambda: ({"w": made}, hub))
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
    written = bundle.write([weight, sciscore], tmp_path / "all.tar", nothing)
    assert (written.files, written.notes) == (3, [])
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "node"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "node-hub"))
    assert on_hub.missing(sciscore)
    done = unpack(tmp_path / "all.tar", nothing)
    assert len(done.written) == 3
    assert done.on_its_word == ["Jialuo21/SciScore/config.json", "Jialuo21/SciScore/model.safetensors"]
    assert weight.path.read_bytes() == CONTENT
    assert on_hub.missing(sciscore) == []
    assert sciscore.repository.commit == COMMIT
    assert [file.path.read_bytes() for file in on_hub.cached_files(sciscore)] == [b"{}", b"weights"]
    assert all(file.path.is_symlink() for file in on_hub.cached_files(sciscore))
    again = unpack(tmp_path / "all.tar", nothing)
    assert (again.written, again.on_its_word) == ({}, [])


def test_what_a_killed_bundle_or_unpack_left_goes_with_the_next(
    cache: Path, weight: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, weight)
    sciscore, node = load_hub()["sciscore"], tmp_path / "node"
    beside = left(tmp_path)
    bundle.write([weight, sciscore], tmp_path / "all.tar", nothing)
    assert not beside.exists()
    monkeypatch.setenv("MIRO_EVAL_HOME", str(node))
    monkeypatch.setenv("HF_HUB_CACHE", str(node / "hub"))
    folders = (weight.path.parent, sciscore.repository.folder / "blobs")
    for folder in folders:
        folder.mkdir(parents=True)
    old, new = [left(folder) for folder in folders], [left(folder, age=60) for folder in folders]
    unpack(tmp_path / "all.tar", nothing)
    assert [path.exists() for path in (*old, *new)] == [False, False, True, True]


def test_what_only_the_bundle_vouches_for_is_not_recorded_by_unpacking(cache: Path, tmp_path: Path) -> None:
    link = SCISCORE | {"name": "model.safetensors", "blob": hashlib.sha256(b"weights").hexdigest()}
    files = {f"hub/{link['repository']}/{link['blob']}": b"weights"}
    path = write_bundle(tmp_path / "all.tar", files, [link])
    result = CliRunner().invoke(app, ["unpack", str(path)], catch_exceptions=False)
    assert "Jialuo21/SciScore/model.safetensors: not pinned\n1 files cannot be verified here" in result.stdout
    assert checksums.first_use("Jialuo21/SciScore/model.safetensors") is None


def test_what_was_seen_before_does_not_rest_on_the_bundle_s_word(cache: Path, tmp_path: Path) -> None:
    checksums.record_first_use("Jialuo21/SciScore/config.json", hashlib.sha256(b"x").hexdigest(), 1, COMMIT)
    assert unpack(write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, [LINK]), nothing).on_its_word == []


def test_a_file_cannot_lie_in_a_file(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = HubWeight("odd", "Jialuo21/SciScore", ("*.json", "*.json/*.json"), ("rewards",), "MIT", "test")
    monkeypatch.setattr(entries_module, "_list", lambda: ({}, {"odd": odd}))
    links = [LINK, LINK | {"name": "config.json/x.json"}]
    with pytest.raises(UserError, match=r"config\.json/x\.json is inside a file"):
        unpack(write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, links), nothing)
    assert left_in(cache) == []


def test_leading_digits_of_a_digest_are_told_to_be_too_few(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    made = WeightFile("w", "w.pth", ("https://x/w",), digest[:8], ("rewards",), "MIT", "test")
    monkeypatch.setattr(entries_module, "_list", lambda: ({"w": made}, {}))
    path = write_bundle(tmp_path / "all.tar", {"files/w.pth": CONTENT}, [])
    assert unpack(path, nothing).on_its_word == ["w.pth"]
    assert checksums.first_use("w") is None


def test_what_is_not_here_cannot_be_bundled(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match=r"not here: w, sciscore; `miro-eval weights fetch w sciscore`"):
        bundle.write([weight, load_hub()["sciscore"]], tmp_path / "all.tar", nothing)
    fill(cache, weight)
    weight.path.write_bytes(b"rot")
    with pytest.raises(EnvironmentFailure, match="set aside"):
        bundle.write([weight], tmp_path / "all.tar", nothing)
    assert not list(tmp_path.glob("all.tar*"))


SCISCORE = {"repository": "models--Jialuo21--SciScore", "revision": COMMIT, "branch": "main"}
LINK = SCISCORE | {"name": "config.json", "blob": git_sha1(b"x")}
BLOB = f"hub/{LINK['repository']}/{LINK['blob']}"
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
    "a repository that is not on the list": [index(links=[LINK | {"repository": "models--a--b"}])],
    "a file that nobody asks for": [index(links=[LINK | {"name": "evil.py"}])],
    "a file in a folder that nobody asks for": [index(links=[LINK | {"name": "a/config.json"}])],
    "a name that no disk holds": [index(links=[LINK | {"name": "a" * 300 + ".json"}])],
    "no branch where there is no pin": [index(links=[LINK | {"branch": ""}])],
    "two commits of a branch": [index(links=[LINK, LINK | {"revision": "cd" * 20}])],
    "two blobs for a file": [index(links=[LINK, LINK | {"blob": "0" * 40}])],
    "a blob that no file has": [index([listed(BLOB)]), member(BLOB, b"x")],
    "a file twice in the list": [index([listed(BLOB), listed(BLOB)], [LINK]), member(BLOB, b"x")],
    "a file twice in the tar": [index([listed(BLOB)], [LINK]), member(BLOB, b"x"), member(BLOB, b"x")],
    "a blob, and then what may not be": [index([listed(BLOB)], [LINK]), member(BLOB, b"x"), member("x", b"x")],
    "a later schema": [index(schema=3)],
    "a schema that is no number": [index(schema=True)],
    "git objects before there were any": [index([listed("git/" + "0" * 40)], schema=1)],
    "a git object that is too large": [index([{"place": "git/" + "0" * 40, "size": 5 << 20, "sha256": "0" * 64}])],
    "too many git objects": [index([listed(f"git/{number:040x}") for number in range(1001)])],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_and_leaves_nothing(
    name: str, cache: Path, weight: WeightFile, tmp_path: Path
) -> None:
    path = write_tar(tmp_path / "evil.tar", HOSTILE[name])
    with pytest.raises(UserError):
        unpack(path, nothing)
    assert left_in(tmp_path) == [path]


def test_a_sparse_file_is_refused_however_large_it_says_it_is(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    header = tarfile.TarInfo("files/w.pth")
    header.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": "1", "GNU.sparse.map": "0,0"}
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for made, content in (index([listed("files/w.pth", b"\0")]), (header, b"")):
            archive.addfile(made, io.BytesIO(content))
    with pytest.raises(UserError, match="not a plain file"):
        unpack(path, nothing)
    assert left_in(tmp_path) == [path]


def _elsewhere(cache: Path, outside: Path, what: str) -> None:
    """Somebody's link lies where the bundle's files would go."""
    places = {
        "blobs": "blobs",
        "a blob": f"blobs/{LINK['blob']}",
        "snapshots": "snapshots",
        "the snapshot": f"snapshots/{COMMIT}",
        "a file": f"snapshots/{COMMIT}/config.json",
        "a file, by a way round": f"snapshots/{COMMIT}/config.json",
        "refs": "refs",
        "the branch": "refs/main",
    }
    place = cache / LINK["repository"] / places[what]
    place.parent.mkdir(parents=True)
    place.symlink_to(place.parent / "../../../.." / outside.name / "x" if "way round" in what else outside / "x")


@pytest.mark.parametrize("dangling", [True, False])
@pytest.mark.parametrize(
    "what", ["blobs", "a blob", "snapshots", "the snapshot", "a file", "a file, by a way round", "refs", "the branch"]
)
def test_links_in_the_cache_that_lead_elsewhere_are_not_followed(
    what: str, dangling: bool, cache: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if not dangling:
        (outside / "x").mkdir()
    _elsewhere(cache, outside, what)
    path = write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, [LINK])
    with pytest.raises(EnvironmentFailure, match="plain file or folder"):
        unpack(path, nothing)
    assert left_in(outside) == []
    assert len(left_in(cache)) == 1


@pytest.mark.parametrize("place", [f"snapshots/{COMMIT}", "blobs", "refs"])
def test_a_file_in_a_folder_s_place_is_one_line(place: str, cache: Path, tmp_path: Path) -> None:
    file = cache / LINK["repository"] / place
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(EnvironmentFailure, match="plain file or folder"):
        unpack(write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, [LINK]), nothing)
    assert left_in(cache) == [file]


def test_a_file_without_its_bytes_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="neither here nor in the bundle"):
        unpack(write_bundle(tmp_path / "all.tar", {}, [LINK]), nothing)
    assert left_in(cache) == []


def test_a_blob_that_is_here_with_other_bytes_is_not_linked(cache: Path, tmp_path: Path) -> None:
    blob = cache / LINK["repository"] / "blobs" / LINK["blob"]
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"y")
    with pytest.raises(EnvironmentFailure, match="does not have the bytes that the hub promised: nothing is unpacked"):
        unpack(write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, [LINK]), nothing)
    assert left_in(cache) == [blob]


def test_bytes_that_are_not_the_published_ones_are_refused(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    for promised, told in ((b"evil", "expected"), (b"good", "the bundle's list says")):
        members = [index([listed("files/w.pth", promised)]), member("files/w.pth", b"evil")]
        with pytest.raises(EnvironmentFailure, match=f"{told}.*: not unpacked"):
            unpack(write_tar(tmp_path / "wrong.tar", members), nothing)
    assert not weight.path.exists()


def test_a_file_that_is_no_tar_is_refused(cache: Path, weight: WeightFile, tmp_path: Path) -> None:
    for content in (b"", b"hello" * 1000, b"\x1f\x8b"):
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(UserError, match="not a bundle"):
            unpack(tmp_path / "x.tar", nothing)


@pytest.mark.parametrize("limit", [0, 1 << 16, 1 << 19])
def test_what_the_disk_refuses_is_not_the_bundle_s_fault_and_leaves_nothing(
    limit: int, cache: Path, tmp_path: Path
) -> None:
    """A file may not grow beyond a limit here, as on a full disk or beyond a quota."""
    content = b"x" * (1 << 20)
    link = SCISCORE | {"name": "config.json", "blob": git_sha1(content)}
    path = write_bundle(tmp_path / "all.tar", {f"hub/{LINK['repository']}/{link['blob']}": content}, [link])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            unpack(path, nothing)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno in DISK_FAULTS
    assert left_in(tmp_path) == [path]


def test_what_does_not_fit_is_told_before_a_byte_is_written(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_bundle(tmp_path / "all.tar", {BLOB: b"x"}, [LINK])
    nearly_full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: nearly_full)
    with pytest.raises(EnvironmentFailure, match=r"are free: free some space.*nothing is unpacked"):
        unpack(path, nothing)
    assert not (cache / LINK["repository"]).exists()


def test_a_disk_that_is_full_when_links_are_made_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = b"y"
    second = SCISCORE | {"name": "model.safetensors", "blob": git_sha1(other)}
    files = {BLOB: b"x", f"hub/{LINK['repository']}/{second['blob']}": other}
    path = write_bundle(tmp_path / "all.tar", files, [LINK, second])
    make, made = Path.symlink_to, list[Path]()

    def full_after_one(self: Path, target: str) -> None:
        if made:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        made.append(self)
        make(self, target)

    monkeypatch.setattr(Path, "symlink_to", full_after_one)
    with pytest.raises(OSError, match="No space left"):
        unpack(path, nothing)
    assert made
    assert left_in(cache, cache / LINK["repository"] / "refs" / "main") == []

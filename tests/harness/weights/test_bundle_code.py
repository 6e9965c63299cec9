"""Repositories whose code is run: what a bundle says of them is believed where git's objects prove it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.weights import app
from harness.weights import HubWeight, bundle, checksums, git_fetch, on_hub
from harness.weights import entries as entries_module
from harness.weights.fetching import verify
from harness.weights.inventory import inventory
from harness.weights.on_hub import note_use
from harness.weights.unbundle import unpack
from tests.harness.weights.git_objects import Objects, Tree, pointer
from tests.harness.weights.git_server import serving
from tests.harness.weights.hub import git_sha1, put
from tests.harness.weights.tars import index, left_in, listed, member, nothing, write_bundle, write_tar
from wire.errors import EnvironmentFailure, UserError

WEIGHTS = b"weights" * 1000
FILES = {"config.json": b'{"auto_map": {"AutoModel": "model.Model"}}', "model.py": b"class Model: ...\n"}
TREE: Tree = {**FILES, "model.safetensors": pointer(WEIGHTS), "onnx": {"model.py": b"elsewhere"}, "x.md": b""}
REPOSITORY = "models--org--code"


def code_entry(commit: str, **changes: Any) -> HubWeight:
    fields: dict[str, Any] = {
        "name": "code",
        "files": ("*.json", "*.py", "@weights"),
        "revision": commit,
        "runs_code": True,
    }
    return HubWeight(repo="org/code", stages=("rewards",), licence="MIT", source="a test", **(fields | changes))


@dataclass
class World:
    """A repository that runs code, and a bundle of it that can be spoilt before it is written."""

    entry: HubWeight
    objects: Objects
    commit: str
    cache: Path
    files: dict[str, bytes] = field(default_factory=lambda: {**FILES, "model.safetensors": WEIGHTS})
    changes: dict[str, str] = field(default_factory=dict)
    schema: int = 2

    def links(self) -> list[dict[str, str]]:
        common = {"repository": REPOSITORY, "revision": self.commit, "branch": ""} | self.changes
        return [{**common, "name": name, "blob": blob_name(content)} for name, content in self.files.items()]

    def write(self, path: Path) -> Path:
        proof = {f"git/{name}": data for name, data in self.objects.all.items()}
        folder = self.changes.get("repository", REPOSITORY)
        blobs = {f"hub/{folder}/{blob_name(content)}": content for content in self.files.values()}
        return write_bundle(path, proof | blobs, self.links(), self.schema)

    def linked(self) -> dict[str, bytes]:
        return {file.name: file.path.read_bytes() for file in on_hub.cached_files(self.entry)}


def blob_name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if len(content) > 1000 else git_sha1(content)


@pytest.fixture
def world(cache: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    objects = Objects()
    commit = objects.commit(TREE)
    entry = code_entry(commit)
    list_only(monkeypatch, entry)
    return World(entry, objects, commit, cache)


def list_only(monkeypatch: pytest.MonkeyPatch, *entries: HubWeight) -> None:
    monkeypatch.setattr(entries_module, "_list", lambda: ({}, {entry.name: entry for entry in entries}))


def test_proved_code_is_put_in_place(world: World, tmp_path: Path) -> None:
    done = unpack(world.write(tmp_path / "b.tar"), nothing)
    assert world.linked() == world.files
    assert (len(done.written), done.unproved, done.on_its_word) == (3, [], [])
    assert checksums.first_use("org/code/model.py") is None
    assert unpack(tmp_path / "b.tar", nothing).written == {}


def test_files_in_folders_are_proved_tree_by_tree(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_only(monkeypatch, code_entry(world.commit, files=("onnx/*.py",)))
    world.files = {"onnx/model.py": b"elsewhere"}
    unpack(world.write(tmp_path / "b.tar"), nothing)
    (link,) = (path for path in world.cache.rglob("model.py"))
    assert link.read_bytes() == b"elsewhere"


def no_proof(world: World) -> None:
    world.objects.all.clear()


def old_schema(world: World) -> None:
    world.objects.all.clear()
    world.schema = 1


def no_commit(world: World) -> None:
    del world.objects.all[world.commit]


def no_tree(world: World) -> None:
    world.objects.all = {world.commit: world.objects.all[world.commit]}


def proof_of_another_commit(world: World) -> None:
    """What the attacker's own repository has, and is true there."""
    world.files["model.py"] = b"evil"
    world.objects = Objects()
    world.objects.commit({**TREE, "model.py": b"evil"})


LACKING = [no_proof, old_schema, no_commit, no_tree, proof_of_another_commit]


@pytest.mark.parametrize("spoil", LACKING)
def test_code_without_its_proof_is_taken_with_trust_only(
    spoil: Callable[[World], None], world: World, tmp_path: Path
) -> None:
    spoil(world)
    path = world.write(tmp_path / "b.tar")
    with pytest.raises(EnvironmentFailure, match=r"^org/code/config.json \(and 2 other files\): .*--trust$"):
        unpack(path, nothing)
    assert left_in(world.cache) == []
    places = ["org/code/config.json", "org/code/model.py", "org/code/model.safetensors"]
    assert unpack(path, nothing, trust=True).unproved == places
    assert world.linked() == world.files


def changed_code(world: World) -> None:
    world.files["model.py"] = b"evil"


def changed_configuration(world: World) -> None:
    world.files["config.json"] = b'{"auto_map": {"AutoModel": "attacker/code--model.Model"}}'


def changed_weights(world: World) -> None:
    world.files["model.safetensors"] = b"evil" * 1000


def pointer_for_weights(world: World) -> None:
    world.files["model.safetensors"] = pointer(WEIGHTS)


def pointer_to_code(world: World) -> None:
    """Bytes whose pointer is nobody's."""
    world.files["model.py"] = pointer(b"evil")


def extra_code(world: World) -> None:
    world.files["extra.py"] = b"evil"


def code_of_another_folder(world: World) -> None:
    world.files["model.py"] = b"elsewhere"


def files_changed_about(world: World) -> None:
    world.files["model.py"], world.files["config.json"] = FILES["config.json"], FILES["model.py"]


def folder_for_a_file(world: World) -> None:
    world.commit = world.objects.commit({**TREE, "model.py": {"x": b""}})


def symbolic_link_in_the_tree(world: World) -> None:
    world.commit = world.objects.commit({**TREE, "model.py": ("120000", git_sha1(FILES["model.py"]))})


def symbolic_link_beside(world: World) -> None:
    world.commit = world.objects.commit({**TREE, "other": ("120000", git_sha1(b"/etc"))})


def repository_in_the_tree(world: World) -> None:
    world.commit = world.objects.commit({**TREE, "other": ("160000", "ab" * 20)})


def tree_for_a_commit(world: World) -> None:
    world.commit = world.objects.tree(TREE)


def commit_for_a_tree(world: World) -> None:
    inner = world.objects.commit(TREE)
    world.commit = world.objects.add("commit", f"tree {inner}\n\n".encode())


DISPROVED = [
    *(changed_code, changed_configuration, changed_weights, pointer_for_weights, pointer_to_code, extra_code),
    *(code_of_another_folder, files_changed_about, folder_for_a_file, symbolic_link_in_the_tree, symbolic_link_beside),
    *(repository_in_the_tree, tree_for_a_commit, commit_for_a_tree),
]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("spoil", DISPROVED)
def test_what_the_pinned_commit_does_not_have_is_refused_with_trust_too(
    spoil: Callable[[World], None], trust: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(world)
    list_only(monkeypatch, code_entry(world.commit))  # where the spoilt commit is the pinned one
    with pytest.raises(EnvironmentFailure, match=r"^org/code/[^\n]*: nothing is unpacked$"):
        unpack(world.write(tmp_path / "b.tar"), nothing, trust)
    assert left_in(world.cache) == []


def forge(world: World, name: str, old: bytes, new: bytes) -> None:
    data = world.objects.all[name]
    assert old in data
    world.objects.all[name] = data.replace(old, new)


def forged_tree(world: World) -> None:
    world.files["model.py"] = b"evil"
    honest, evil = (bytes.fromhex(git_sha1(content)) for content in (FILES["model.py"], b"evil"))
    forge(world, Objects().tree(TREE), honest, evil)


def forged_commit(world: World) -> None:
    world.files["model.py"] = b"evil"
    evil = world.objects.tree({**TREE, "model.py": b"evil"})
    forge(world, world.commit, Objects().tree(TREE).encode(), evil.encode())


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("spoil", [forged_tree, forged_commit])
def test_a_forged_object_is_refused(spoil: Callable[[World], None], trust: bool, world: World, tmp_path: Path) -> None:
    spoil(world)
    with pytest.raises(EnvironmentFailure, match=r"git/[0-9a-f]{40} does not have the bytes that name"):
        unpack(world.write(tmp_path / "b.tar"), nothing, trust)
    assert left_in(world.cache) == []


def test_a_git_object_must_be_what_the_list_says_too(world: World, tmp_path: Path) -> None:
    """As every other file of a bundle."""
    name = f"git/{world.commit}"
    members = [index([listed(name, b"x") | {"size": len(world.objects.all[world.commit])}])]
    path = write_tar(tmp_path / "b.tar", [*members, member(name, world.objects.all[world.commit])])
    with pytest.raises(EnvironmentFailure, match=f"{name} does not have the bytes"):
        unpack(path, nothing)


STRAY: dict[str, dict[str, str]] = {
    "another commit than the pinned one": {"revision": "cd" * 20},
    "a branch of a pinned repository": {"branch": "main"},
    "a branch at another commit": {"branch": "main", "revision": "cd" * 20},
    "a repository that nobody listed": {"repository": "models--attacker--code"},
}


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("stray", STRAY)
def test_only_the_pinned_commit_of_a_listed_repository_is_written_to(
    stray: str, trust: bool, world: World, tmp_path: Path
) -> None:
    world.changes = STRAY[stray]
    with pytest.raises(UserError, match=r"is not in weights\.toml"):
        unpack(world.write(tmp_path / "b.tar"), nothing, trust)
    assert left_in(world.cache) == []


@pytest.mark.parametrize("name", ["x.md", "onnx/model.py", "../model.py", "a/../../model.py", "/model.py", ".py"])
def test_only_files_that_are_asked_for_are_linked(name: str, world: World, tmp_path: Path) -> None:
    world.files[name] = b"elsewhere" if name == "onnx/model.py" else b""
    with pytest.raises(UserError, match=r"bundle\.json is not as it should be"):
        unpack(world.write(tmp_path / "b.tar"), nothing, trust=True)
    assert left_in(world.cache) == []


def test_a_repository_that_runs_code_has_no_data_only_entry(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = HubWeight("data", "org/code", ("*.py",), ("rewards",), "MIT", "a test")
    list_only(monkeypatch, world.entry, data)
    world.changes, world.files = {"branch": "main", "revision": "cd" * 20}, {"model.py": b"evil"}
    with pytest.raises(UserError, match=r"is not in weights\.toml"):
        unpack(world.write(tmp_path / "b.tar"), nothing)
    list_only(monkeypatch, world.entry, dataclasses.replace(world.entry, name="data", runs_code=False))
    world.changes = {}
    with pytest.raises(EnvironmentFailure, match=r"model\.py does not have the bytes that it has in commit"):
        unpack(world.write(tmp_path / "b.tar"), nothing)
    assert left_in(world.cache) == []


def test_a_digest_in_the_list_is_proof_enough_and_outweighs_trust(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in world.files.items()}
    world.entry = code_entry(world.commit, sha256=digests)
    list_only(monkeypatch, world.entry)
    no_proof(world)
    honest = world.write(tmp_path / "b.tar")
    world.files["model.py"] = b"evil"
    other = code_entry(world.commit, name="other")  # asks for the same, and pins none of it
    for entries in ((world.entry,), (world.entry, other), (other, world.entry)):
        list_only(monkeypatch, *entries)
        with pytest.raises(EnvironmentFailure, match=r"model\.py has sha256 .*, expected "):
            unpack(world.write(tmp_path / "evil.tar"), nothing, trust=True)
    assert left_in(world.cache) == []
    assert unpack(honest, nothing).unproved == []
    assert world.linked() == {**FILES, "model.safetensors": WEIGHTS}


def overwrite(path: Path, content: bytes) -> None:
    """As rot does, or somebody who knows what verifying goes by: the file's size, times and inode stay."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_bytes_that_were_here_are_read_again(
    linked: bool, pinned: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.write(tmp_path / "b.tar")
    unpack(path, nothing)
    if pinned:
        digests = {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()}
        list_only(monkeypatch, code_entry(world.commit, sha256=digests))
    link = world.cache / REPOSITORY / "snapshots" / world.commit / "model.safetensors"
    overwrite(link.resolve(), b"evil")
    if not linked:
        link.unlink()
    with pytest.raises(EnvironmentFailure, match=r"org/code/model\.safetensors (has|does not) .*: nothing is unpacked"):
        unpack(path, nothing)
    assert link.is_symlink() is linked


def test_bytes_that_were_here_are_read_again_with_trust_too(world: World, tmp_path: Path) -> None:
    no_proof(world)
    path = world.write(tmp_path / "b.tar")
    blob = world.cache / REPOSITORY / "blobs" / blob_name(FILES["model.py"])
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"evil")
    with pytest.raises(EnvironmentFailure, match=r"org/code/model\.py does not have the bytes that the hub promised"):
        unpack(path, nothing, trust=True)
    assert left_in(world.cache) == [blob]


def test_a_link_that_is_here_is_judged_by_what_it_leads_to(world: World, tmp_path: Path) -> None:
    path = world.write(tmp_path / "b.tar")
    link = put(world.cache, "model.py", b"evil", "org/code", large=False, revision=world.commit)
    before = left_in(world.cache)
    with pytest.raises(EnvironmentFailure, match=r"org/code/model\.py does not have the bytes that it has in commit"):
        unpack(path, nothing)
    assert sorted(left_in(world.cache)) == sorted(before)
    link.unlink()
    unpack(path, nothing)
    assert link.read_bytes() == FILES["model.py"]


def test_what_was_taken_with_trust_is_never_recorded_as_the_hub_s(world: World, tmp_path: Path) -> None:
    honest = world.write(tmp_path / "b.tar")
    del world.files["model.safetensors"]
    proof, world.objects.all = world.objects.all, {}
    unpack(world.write(tmp_path / "unproved.tar"), nothing, trust=True)
    notes, problems = verify([world.entry])
    assert problems == []
    assert [note.partition(":")[0] for note in notes] == ["org/code/config.json", "org/code/model.py"]
    assert all("taken from a bundle with --trust" in note for note in notes)
    digest = hashlib.sha256(FILES["model.py"]).hexdigest()
    (told,) = note_use([{"source": "org/code", "file": "model.py", "revision": world.commit, "sha256": digest}])
    assert "nothing proves" in told
    assert checksums.first_use("org/code/model.py") is None
    assert inventory(["code"], [])[0]["pinned"] == "unproved, from a bundle"
    world.objects.all = proof
    unpack(honest, nothing)
    assert all("recorded on first use" in note for note in verify([world.entry])[0])


def test_proof_outweighs_what_an_earlier_bundle_has_had_recorded(world: World, tmp_path: Path) -> None:
    """Bundles were once believed, and their bytes recorded as the first that were seen of the pinned commit."""
    checksums.record_first_use("org/code/model.py", hashlib.sha256(b"evil").hexdigest(), 4, world.commit)
    unpack(world.write(tmp_path / "b.tar"), nothing)
    notes, problems = verify([world.entry])
    assert (len(notes), problems) == (2, [])
    assert (checksums.first_use("org/code/model.py") or {})["sha256"] == hashlib.sha256(FILES["model.py"]).hexdigest()


def test_the_verb_says_what_it_took_without_proof(world: World, tmp_path: Path) -> None:
    no_proof(world)
    path = str(world.write(tmp_path / "b.tar"))
    refused = CliRunner().invoke(app, ["unpack", path])
    assert isinstance(refused.exception, EnvironmentFailure)
    result = CliRunner().invoke(app, ["unpack", path, "--trust"], catch_exceptions=False)
    assert "org/code/model.py: accepted with --trust, without proof" in result.stdout
    assert "3 files put in place" in result.stdout


# A real repository, as the hub has it: large files are pointers in git.


@pytest.fixture
def hub(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The sender's: files in the cache, and git's objects to be had from a server."""
    folder = tmp_path / "server" / "org" / "code"
    (folder / "onnx").mkdir(parents=True)
    committed = FILES | {"model.safetensors": pointer(WEIGHTS), "onnx/model.py": b"elsewhere"}
    for name, content in committed.items():
        (folder / name).write_bytes(content)
    named = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (
        *("init --quiet", "config uploadpack.allowFilter true", "config uploadpack.allowAnySHA1InWant true"),
        *("add .", "commit --quiet --message=x", "commit --quiet --allow-empty --message=later"),
    ):
        subprocess.run(["git", *command.split()], cwd=folder, check=True, env=os.environ | named)
    shown = subprocess.run(["git", "rev-parse", "HEAD~"], cwd=folder, check=True, capture_output=True, text=True)
    world.commit = shown.stdout.strip()
    world.entry = code_entry(world.commit, files=("*.json", "*.py", "@weights", "onnx/*.py"))
    list_only(monkeypatch, world.entry)
    monkeypatch.setenv("HF_ENDPOINT", (tmp_path / "server").as_uri() + "/")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    world.files["onnx/model.py"] = b"elsewhere"
    for name, content in world.files.items():
        put(world.cache, name, content, "org/code", name == "model.safetensors", world.commit)
    return world


def receive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "node"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "node-hub"))


def test_the_writer_brings_git_s_own_objects(hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = bundle.write([hub.entry], tmp_path / "b.tar", nothing)
    assert (written.files, written.notes) == (4, [])
    receive(monkeypatch, tmp_path)
    done = unpack(tmp_path / "b.tar", nothing)
    assert sum(place.startswith("hub/") for place in done.written) == 4
    assert hub.linked() == hub.files


def test_the_hub_is_asked_over_http(hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(tmp_path / "server") as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert bundle.write([hub.entry], tmp_path / "b.tar", nothing).notes == []
        objects = git_fetch.objects_of("org/code", hub.commit, hub.files)
    assert sorted(data.partition(b" ")[0] for data in objects.values()) == [b"commit", b"tree", b"tree"]


def test_a_password_of_the_hub_s_address_is_on_no_command_line(
    hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, git = tmp_path / "lines", shutil.which("git")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(f'#!/bin/sh\necho "$*" >> {lines}\nexec {git} "$@"\n')
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(tmp_path / "server", "me:a/b c") as address:
        monkeypatch.setenv("HF_ENDPOINT", address.replace("//", "//me:a%2Fb%20c@"))
        assert bundle.write([hub.entry], tmp_path / "b.tar", nothing).notes == []
        monkeypatch.setenv("HF_ENDPOINT", address.replace("//", "//me:wrong@"))
        (note,) = bundle.write([hub.entry], tmp_path / "c.tar", nothing).notes
    assert "Authentication failed" in note
    assert "wrong" not in note
    assert f"{address}/org/code" in lines.read_text()
    assert not any(word in lines.read_text() for word in ("a/b c", "a%2Fb", "wrong"))


def test_the_writer_refuses_what_the_commit_does_not_have(hub: World, tmp_path: Path) -> None:
    put(hub.cache, "evil.py", b"evil", "org/code", large=False, revision=hub.commit)
    with pytest.raises(EnvironmentFailure, match=r"org/code/evil\.py is not a file of commit .*: not bundled"):
        bundle.write([hub.entry], tmp_path / "b.tar", nothing)
    assert not list(tmp_path.glob("b.tar*"))


def configured(tmp_path: Path, way: str, program: str) -> dict[str, str]:
    """Each way by which a user's configuration reaches git: here it sends every fetch to a program."""
    for place in (tmp_path / ".gitconfig", tmp_path / "git" / "config"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(f'[url "{program}"]\n\tinsteadOf = file:\n[protocol]\n\tallow = always\n')
    return {
        "home": {"HOME": str(tmp_path)},
        "xdg": {"XDG_CONFIG_HOME": str(tmp_path)},
        "global": {"GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig")},
        "values": {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{program}.insteadOf",
            "GIT_CONFIG_VALUE_0": "file:",
        },
        "folder": {"GIT_DIR": str(tmp_path / "none")},
    }[way]


@pytest.mark.parametrize("way", ["home", "xdg", "global", "values", "folder"])
def test_git_is_led_by_no_configuration(way: str, hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = tmp_path / "trapped"
    for name, value in configured(tmp_path, way, f"ext::touch {trap} ").items():
        monkeypatch.setenv(name, value)
    assert bundle.write([hub.entry], tmp_path / "b.tar", nothing).notes == []
    assert not trap.exists()


@pytest.mark.parametrize("protocol", ["ext", "ssh", "git"])
def test_git_speaks_https_http_and_to_files_only(
    protocol: str, hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trapped"
    monkeypatch.setenv("HF_ENDPOINT", f"ext::touch {trap} " if protocol == "ext" else f"{protocol}://127.0.0.1:1")
    (note,) = bundle.write([hub.entry], tmp_path / "b.tar", nothing).notes
    assert f"transport '{protocol}' not allowed" in note
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HF_HUB_OFFLINE", "1", "HF_HUB_OFFLINE is set"),
        ("HF_ENDPOINT", "file:///none", "fatal: '/none/org/code' does not appear to be a git repository"),
        ("PATH", "/none", "No such file or directory: 'git'"),
    ],
)
def test_without_git_s_objects_a_bundle_is_written_and_its_maker_told(
    name: str, value: str, told: str, hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["bundle", str(tmp_path / "b.tar"), "code"], catch_exceptions=False)
    assert told in result.stderr
    assert "the files of org/code carry no proof of their commit" in result.stderr
    receive(monkeypatch, tmp_path)
    with pytest.raises(EnvironmentFailure, match=r"--trust$"):
        unpack(tmp_path / "b.tar", nothing)
    assert len(unpack(tmp_path / "b.tar", nothing, trust=True).unproved) == 4


def test_no_git_is_asked_where_the_list_has_every_digest(
    hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in hub.files.items()}
    entry = code_entry(hub.commit, files=hub.entry.files, sha256=digests)
    monkeypatch.setenv("PATH", "/none")
    assert bundle.write([entry], tmp_path / "b.tar", nothing).notes == []


def test_a_server_that_does_not_answer_is_given_up(hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_fetch, "TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        (note,) = bundle.write([hub.entry], tmp_path / "b.tar", nothing).notes
    assert "(git did not finish in 1 s)" in note

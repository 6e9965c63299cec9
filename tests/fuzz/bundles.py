"""Bundles of weights, and the git objects in them: what is read, and what must be so afterwards.

A tar is mutated byte by byte; that seldom gets past its checksums. So a bundle is also described in lines of JSON, and
made of them, after they were mutated, with digests and names that are right: then the last checks have to hold.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from harness.weights import HubWeight, WeightFile, bundle_contents, entries, git_proof, unbundle
from wire.errors import MiroEvalError, UserError

CODE, DATA = "models--org--code", "models--org--data"
FILES = {"config.json": b"{}", "model.py": b"class Model: ...\n", "model.safetensors": b"weights"}
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 7\n"
BRANCH = "ab" * 20


def _tree(*names: str, folders: dict[str, bytes] | None = None) -> bytes:
    """A tree of these files (all of the same content) and folders."""
    entry = b"100644 %s\0" + bytes.fromhex(git_proof.sha1(git_proof.named("blob", b"x")))
    made = [entry % name.encode() for name in names]
    made += [b"40000 %s\0" % name.encode() + _id("tree", body) for name, body in (folders or {}).items()]
    return b"".join(made)


def _id(kind: str, body: bytes) -> bytes:
    return bytes.fromhex(git_proof.sha1(git_proof.named(kind, body)))


def _proof() -> list[bytes]:
    """Commit, tree: as the pinned revision of ``org/code`` has them."""
    content = FILES | {"model.safetensors": _POINTER % hashlib.sha256(FILES["model.safetensors"]).hexdigest().encode()}
    tree = b"".join(b"100644 %s\0" % name.encode() + _id("blob", body) for name, body in sorted(content.items()))
    return [
        git_proof.named("commit", b"tree " + _id("tree", tree).hex().encode() + b"\n\nx\n"),
        git_proof.named("tree", tree),
    ]


COMMIT = git_proof.sha1(_proof()[0])
_COMMON = {"stages": ("rewards",), "licence": "MIT", "source": "x"}
HUB = {
    "code": HubWeight("code", "org/code", ("*.json", "*.py", "@weights"), revision=COMMIT, runs_code=True, **_COMMON),  # type: ignore[arg-type]
    "data": HubWeight("data", "org/data", ("*.json", "a/*.json", "@weights"), **_COMMON),  # type: ignore[arg-type]
}
ADDRESS = {"w": WeightFile("w", "w.pth", ("https://x/w",), hashlib.sha256(b"w").hexdigest(), ("rewards",), "MIT", "x")}


def lines() -> bytes:
    """A bundle, described: its list, git's objects, files of repositories, other members."""
    code = {"repository": CODE, "revision": COMMIT, "branch": ""}
    data = {"repository": DATA, "revision": BRANCH, "branch": "main"}
    described: list[dict[str, Any]] = [{"schema": 2, "files": [], "links": []}]
    described += [{"git": proof.decode("latin-1")} for proof in _proof()]
    described += [code | {"name": name, "data": content.decode()} for name, content in FILES.items()]
    described += [data | {"name": name, "data": "{}"} for name in ("config.json", "a/config.json")]
    described += [{"member": "files/w.pth", "data": "w", "type": "0", "linkname": ""}]
    return b"\n".join(json.dumps(line).encode() for line in described)


def tar_of(data: bytes) -> bytes:
    """The bundle that lines describe; what they leave out, or say wrongly, is left empty."""
    head, *rest = [_record(line) for line in data.split(b"\n")]
    members: dict[str, tuple[bytes, dict[str, Any]]] = {}
    links = list(head["links"]) if isinstance(head.get("links"), list) else []
    for record in rest:
        content = _content(record.get("git", record.get("data")))
        name = f"git/{git_proof.sha1(content)}" if "git" in record else str(record.get("member", ""))
        if "repository" in record:
            blob = git_proof.sha1(git_proof.named("blob", content))
            name = f"hub/{record['repository']}/{blob}"
            links.append({key: value for key, value in record.items() if key != "data"} | {"blob": blob})
        members[name] = content, record
    known = [
        {"place": name, "size": len(content), "sha256": _sha256(content)} for name, (content, _) in members.items()
    ]
    files = known + (head["files"] if isinstance(head.get("files"), list) else [])
    return _tar(json.dumps(head | {"files": files, "links": links}).encode(), members)


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _content(value: object) -> bytes:
    return value.encode("latin-1", errors="replace") if isinstance(value, str) else b""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tar(index: bytes, members: dict[str, tuple[bytes, dict[str, Any]]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (content, record) in {"bundle.json": (index, {}), **members}.items():
            header = tarfile.TarInfo(name.encode(errors="replace").decode())
            header.size, header.type = len(content), _content(record.get("type"))[:1] or tarfile.REGTYPE
            header.linkname = _content(record.get("linkname")).decode("latin-1")
            archive.addfile(header, io.BytesIO(content))
    return out.getvalue()


def read_tar(tar: bytes) -> object:
    """Unpack into a world of its own, and look at what that has done to it."""
    root = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    places = {"MIRO_EVAL_HOME": str(root / "home"), "HF_HUB_CACHE": str(root / "hub")}
    try:
        (root / "b.tar").write_bytes(tar)
        with mock.patch.dict(os.environ, places), mock.patch.object(entries, "_list", return_value=(ADDRESS, HUB)):
            _unpack(root)
    finally:
        shutil.rmtree(root)
    return None


def _unpack(root: Path) -> None:
    try:
        unbundle.unpack(root / "b.tar", lambda _done, _total, _label: None)
    except MiroEvalError:
        left = [path for path in (root / "hub").rglob("*") if not path.is_dir()]
        if left or (root / "home" / "weights" / "w.pth").exists():
            raise AssertionError(f"refused, and yet here: {left}") from None
        raise
    finally:
        if strange := {path.name for path in root.iterdir()} - {"b.tar", "home", "hub"}:
            raise AssertionError(f"written outside: {strange}")
    _check_code(root / "hub" / CODE)


def _check_code(repository: Path) -> None:
    """Of a repository that runs code nothing is here but what its pinned commit has."""
    for file in (path for path in repository.glob("snapshots/**/*") if not path.is_dir()):
        if file.parent.name != COMMIT or FILES.get(file.name) != file.read_bytes():
            raise AssertionError(f"{file} is not of the pinned commit")
    if (repository / "refs").exists():
        raise AssertionError("a pinned repository has a branch")


def read_lines(data: bytes) -> object:
    """As :func:`read_tar`, from a description."""
    return read_tar(tar_of(data))


def read_list(data: bytes) -> object:
    """A list of contents alone."""
    with mock.patch.object(entries, "_list", return_value=(ADDRESS, HUB)):
        return bundle_contents.read_contents(data, "bundle")


def read_object(data: bytes) -> object:
    """A commit's or a tree's body."""
    try:
        return git_proof.tree_of(data) if data.startswith(b"tree") else git_proof.entries_of(data)
    except ValueError as error:
        raise UserError(str(error)) from error


def objects() -> tuple[bytes, ...]:
    """Bodies of well-formed objects."""
    return b"tree " + b"ab" * 20 + b"\nauthor x\n\nx\n", _tree("a", "b.py", folders={"c": b""}), b""


def description() -> bytes:
    """A repository, described: a path, and folders in folders."""
    return b"\n".join(
        json.dumps(line).encode() for line in ("a/b/c.py", {"a": {"b": {"c.py": "100644"}}, "x": "100755"})
    )


def read_description(data: bytes) -> object:
    """Make a repository's objects, all true to each other, and look a path up; then again with a lie in one."""
    path, tree = _described(data)
    made: dict[str, bytes] = {}
    commit = _add(made, "commit", b"tree " + _add_tree(made, tree).encode() + b"\n")
    try:
        found = git_proof.blob_at(lambda _kind, name: made[name], commit, path)
        _look_up_forged(made, commit, path, len(data))
    except ValueError as error:
        raise UserError(str(error)) from error
    return found


def _described(data: bytes) -> tuple[str, object]:
    try:
        path, tree = (json.loads(line) for line in data.split(b"\n")[:2])
    except (ValueError, RecursionError) as error:
        raise UserError("no description") from error
    return str(path).encode(errors="replace").decode(), tree


def _add(made: dict[str, bytes], kind: str, body: bytes) -> str:
    data = git_proof.named(kind, body)
    made[git_proof.sha1(data)] = data
    return git_proof.sha1(data)


def _add_tree(made: dict[str, bytes], tree: object) -> str:
    body = b""
    for name, what in tree.items() if isinstance(tree, dict) else ():
        mode, child = ("40000", _add_tree(made, what)) if isinstance(what, dict) else (str(what), "ab" * 20)
        body += f"{mode} {name}".encode(errors="replace") + b"\0" + bytes.fromhex(child)
    return _add(made, "tree", body)


def _look_up_forged(made: dict[str, bytes], commit: str, path: str, seed: int) -> None:
    """One object that the path runs over is another than its name says: no answer may come of it."""
    asked: list[str] = []

    def ask(_kind: str, name: str) -> bytes:
        asked.append(name)
        return made[name]

    git_proof.blob_at(ask, commit, path)
    forged = asked[seed % len(asked)]
    lie = made | {forged: made[forged] + b"x"}
    try:
        git_proof.blob_at(lambda _kind, name: lie[name], commit, path)
    except ValueError:
        return
    raise AssertionError(f"{forged} is forged, and was believed")

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from harness.weights import git_proof
from tests.harness.weights.git_objects import Objects, pointer

FILE = ("100644", "ab" * 20)


def at(objects: Objects, commit: str, name: str) -> str:
    return git_proof.blob_at(lambda _kind, sha1: objects.all[sha1], commit, name)


def test_a_path_is_walked_from_the_commit_to_the_file() -> None:
    objects = Objects()
    commit = objects.commit({"a": {"b": {"c.py": FILE}}, "c.py": ("100755", "cd" * 20)})
    assert at(objects, commit, "a/b/c.py") == "ab" * 20
    assert at(objects, commit, "c.py") == "cd" * 20
    for none in ("a", "a/b", "b/c.py", "a/c.py", "c.py/c.py", "a/b/c.py/d", ""):
        assert at(objects, commit, none) == ""


def test_a_path_may_not_be_endless() -> None:
    objects = Objects()
    with pytest.raises(ValueError, match="too deep"):
        at(objects, objects.commit({"a": FILE}), "a/" * git_proof.MAX_DEPTH + "a")


def entry(mode: bytes, name: bytes) -> bytes:
    return mode + b" " + name + b"\0" + bytes(20)


@pytest.mark.parametrize(
    "body",
    [
        *(entry(mode, b"a") for mode in (b"120000", b"160000", b"040000", b"0", b"", b"100644x", b"40755")),
        *(entry(b"100644", name) for name in (b"", b".", b"..", b"a/b", b"/")),
        entry(b"100644", b"a") * 2,
        entry(b"100644", b"a") + entry(b"40000", b"a"),
        *(entry(b"100644", b"a")[:end] for end in (1, 6, 7, 8, 9, 28)),
        b"\0" * 30,
    ],
)
def test_a_tree_that_no_proof_may_rest_on_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="a tree"):
        git_proof.entries_of(body)


@pytest.mark.parametrize(
    "body", [b"", b"tree ", b"tree " + b"g" * 40, b"tree " + b"a" * 41, b"Tree " + b"a" * 40, b"x\ntree " + b"a" * 40]
)
def test_a_commit_must_begin_with_its_tree(body: bytes) -> None:
    with pytest.raises(ValueError, match="without a tree"):
        git_proof.tree_of(body)


def test_an_object_must_be_of_its_name_its_kind_and_its_size() -> None:
    objects = Objects()
    tree = objects.tree({"a": FILE})
    blob = objects.add("blob", objects.all[tree].partition(b"\0")[2])
    lying = objects.all[tree].replace(b"tree 29", b"tree 28")
    objects.all[git_proof.sha1(lying)] = lying
    huge = objects.add("tree", entry(b"100644", b"a" * git_proof.MAX_OBJECT))
    for name in (blob, git_proof.sha1(lying), huge):
        with pytest.raises(ValueError, match=f"git object {name} is not the tree that it should be"):
            at(objects, objects.add("commit", f"tree {name}\n".encode()), "a")
    objects.all["ef" * 20] = objects.all[tree]
    with pytest.raises(ValueError, match="git object ef"):
        at(objects, objects.add("commit", b"tree " + b"ef" * 20), "a")


def test_names_are_those_that_git_gives(tmp_path: Path) -> None:
    file = tmp_path / "x"
    for content in (b"", b"hello\n", bytes(range(256)) * 10000):
        file.write_bytes(content)
        told = subprocess.run(["git", "hash-object", "--no-filters", str(file)], capture_output=True, check=True)
        assert git_proof.blob_sha1(file) == told.stdout.decode().strip()
        large = hashlib.sha1(git_proof.named("blob", pointer(content)), usedforsecurity=False).hexdigest()
        assert git_proof.names_of(file) == (large, git_proof.blob_sha1(file))


def test_a_pointer_is_not_the_file_that_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pointer(b"weights"))
    assert git_proof.blob_sha1(tmp_path / "x") not in git_proof.names_of(tmp_path / "x")

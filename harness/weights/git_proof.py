"""Proof that a file belongs to a commit, made of git's own objects: sha1 by sha1 from the commit down to the bytes.

An object is kept as git hashes it: its kind and size, a NUL, its body. Its sha1 is thus its name, and a forged one has
another. Large files are in git as pointers to them (LFS), so that their proof runs over the pointer's text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

#: Bytes of the largest object that is read; the hub's own listings are far smaller.
MAX_OBJECT = 4 << 20
#: Objects of the longest proof that is read, of all repositories together.
MAX_OBJECTS = 1000
#: Folders in folders.
MAX_DEPTH = 16
_TREE, _FILES = b"40000", (b"100644", b"100755", b"100664")
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"

#: Gives an object by kind and sha1.
Read = Callable[[str, str], bytes]


class Lacking(LookupError):
    """An object that the proof needs is not there: nothing is proved, and nothing disproved."""


def read_from(objects: Mapping[str, bytes]) -> Read:
    """Gives these objects, and :class:`Lacking` for others."""

    def read(_kind: str, name: str) -> bytes:
        if name not in objects:
            raise Lacking(name)
        return objects[name]

    return read


def named(kind: str, body: bytes) -> bytes:
    """An object as git hashes it."""
    return b"%s %d\0" % (kind.encode(), len(body)) + body


def sha1(data: bytes) -> str:
    """git's name for an object as :func:`named` makes it."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def fault(read: Read, commit: str, name: str, path: Path) -> str:
    """What is wrong with the bytes at ``path`` as file ``name`` of a commit; empty where nothing is.
    Raises Lacking: it can't be told for want of an object; ValueError: an object that is not what its name says, or
    that no proof may rest on.
    """
    promised = blob_at(read, commit, name)
    if not promised:
        return f"is not a file of commit {commit}"
    return "" if promised in names_of(path) else f"does not have the bytes that it has in commit {commit}"


def blob_at(read: Read, commit: str, name: str) -> str:
    """git's name for the content of a file of a commit; empty where the commit has no such file. Raises as above."""
    *folders, last = name.split("/")
    if len(folders) >= MAX_DEPTH:
        raise ValueError(f"{name[:200]!r} is nested too deep")
    tree = tree_of(_body(read, "commit", commit))
    for folder in folders:
        mode, tree = entries_of(_body(read, "tree", tree)).get(folder.encode(), (b"", ""))
        if mode != _TREE:
            return ""
    mode, blob = entries_of(_body(read, "tree", tree)).get(last.encode(), (b"", ""))
    return blob if mode in _FILES else ""


def _body(read: Read, kind: str, name: str) -> bytes:
    data = read(kind, name)
    start = b"%s %d\0" % (kind.encode(), len(data) - data.find(b"\0") - 1)
    if len(data) > MAX_OBJECT or sha1(data) != name or not data.startswith(start):
        raise ValueError(f"git object {name} is not the {kind} that it should be")
    return data[len(start) :]


def tree_of(commit: bytes) -> str:
    """The name of a commit's tree, from the commit's body. Raises ValueError: it names none."""
    line = commit.split(b"\n", 1)[0]
    if not line.startswith(b"tree ") or len(line) != 45 or line[5:].strip(b"0123456789abcdef"):
        raise ValueError("a commit without a tree")
    return line[5:].decode()


def entries_of(tree: bytes) -> dict[bytes, tuple[bytes, str]]:
    """Mode and name of what a tree holds, by file name, from the tree's body.
    Raises ValueError: it is cut, has a name twice, or holds what a repository of weights has no use for: a symbolic
    link or another repository.
    """
    entries: dict[bytes, tuple[bytes, str]] = {}
    place = 0
    while place < len(tree):
        end = tree.find(b"\0", place)
        mode, _, name = tree[place:end].partition(b" ")
        place = end + 21
        if end < 0 or place > len(tree) or mode not in (_TREE, *_FILES):
            raise ValueError(f"a tree that is cut, or holds more than files and folders (mode {mode[:8]!r})")
        if not name or b"/" in name or name in (b".", b"..") or name in entries:
            raise ValueError(f"a tree with the name {name[:200]!r}, or with it twice")
        entries[name] = mode, tree[end + 1 : place].hex()
    return entries


def names_of(path: Path) -> tuple[str, ...]:
    """git's names for the bytes at ``path``, which are read here and now: as a file in git, and as a large one (LFS).

    A pointer is never taken for the file that it points to.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        is_pointer = file.read(len(_POINTER)) == _POINTER
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    pointer = sha1(named("blob", _POINTER + f"oid sha256:{digest}\nsize {size}\n".encode()))
    return (pointer,) if is_pointer else (pointer, blob_sha1(path))


def blob_sha1(path: Path) -> str:
    """git's name for a file's content."""
    start = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: start).hexdigest()

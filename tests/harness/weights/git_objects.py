"""git's objects made by hand, so that they can be made wrongly too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

#: What a tree holds: a file's bytes, a folder, or (mode, sha1) of anything else.
Tree = Mapping[str, "bytes | Tree | tuple[str, str]"]


@dataclass
class Objects:
    """Objects by name, as git hashes them."""

    all: dict[str, bytes] = field(default_factory=dict)

    def add(self, kind: str, body: bytes) -> str:
        data = f"{kind} {len(body)}".encode() + b"\0" + body
        name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        self.all[name] = data
        return name

    def tree(self, tree: Tree) -> str:
        body = b""
        for name, what in sorted(tree.items()):
            mode, sha1 = self._entry(what)
            body += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(sha1)
        return self.add("tree", body)

    def _entry(self, what: bytes | Tree | tuple[str, str]) -> tuple[str, str]:
        if isinstance(what, bytes):
            data = f"blob {len(what)}".encode() + b"\0" + what
            return "100644", hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return what if isinstance(what, tuple) else ("40000", self.tree(what))

    def commit(self, tree: Tree) -> str:
        return self.add("commit", f"tree {self.tree(tree)}\nauthor a <a@b> 0 +0000\n\nx\n".encode())


def pointer(content: bytes) -> bytes:
    """What is in git for a large file."""
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()

"""A hub cache made by hand, in the client's layout."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.weights import HubWeight

COMMIT = "ab" * 20


def entry(**changes: object) -> HubWeight:
    fields: dict[str, object] = {
        "name": "model",
        "repo": "org/model",
        "files": ("*.json", "@weights"),
        "stages": ("rewards",),
        "licence": "MIT",
        "source": "a test",
    }
    return HubWeight(**(fields | changes))  # type: ignore[arg-type]


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def put(
    cache: Path, name: str, content: bytes, repo: str = "org/model", large: bool = True, revision: str = ""
) -> Path:
    """A file of a repository's main branch, or of a revision; large ones are named after sha256, small after sha1."""
    folder = cache / ("models--" + repo.replace("/", "--"))
    blob = folder / "blobs" / (hashlib.sha256(content).hexdigest() if large else git_sha1(content))
    link = folder / "snapshots" / (revision or COMMIT) / name
    for path in (blob, link, folder / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not revision:
        (folder / "refs" / "main").write_text(COMMIT)
    blob.write_bytes(content)
    link.symlink_to(Path("../" * (name.count("/") + 2)) / "blobs" / blob.name)
    return link

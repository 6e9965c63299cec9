"""Repositories of the Hugging Face hub in its cache (:mod:`wire.hub`), and what their bytes must be.

A blob's name is a promise of its bytes, made by the hub; ``weights.toml`` and the ledger make others.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.weights import checksums
from harness.weights.entries import HubWeight
from harness.weights.git_proof import blob_sha1
from wire.hub import choose

#: What is said of a file that ``weights unpack --trust`` has taken, whenever it is looked at.
UNPROVED = "taken from a bundle with --trust, nothing proves that it is of the pinned commit; not recorded"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CachedFile:
    """A file of a snapshot: its name within the repository, and its place, a link as a rule."""

    name: str
    path: Path

    @property
    def blob(self) -> Path:
        """The file that holds the bytes."""
        return self.path.resolve()


def repository(entry: HubWeight) -> Path:
    """The repository's folder in the cache."""
    return entry.repository.folder


def commit(entry: HubWeight) -> str:
    """The pinned commit, or the one that the cache knows as the main branch; empty where there is none."""
    return entry.repository.commit


def cached_files(entry: HubWeight) -> list[CachedFile]:
    """The entry's files that are in the cache, by name."""
    there = entry.repository
    return [CachedFile(name, there.snapshot / name) for name in choose(entry.files, there.names())]


def missing(entry: HubWeight) -> list[str]:
    """What is not in the cache: see :meth:`wire.hub.Repository.missing`, and names whose digest is pinned."""
    return entry.repository.missing((*entry.files, *entry.sha256))


def is_blob_name(name: str) -> bool:
    """Whether a file name is a promise of bytes, as the hub's client names blobs."""
    return bool(_SHA256.fullmatch(name) or _SHA1.fullmatch(name))


def place(entry: HubWeight, name: str) -> str:
    """How the ledger calls a file."""
    return f"{entry.repo}/{name}"


def fault(entry: HubWeight, file: CachedFile) -> str:
    """What is wrong with a cached file's bytes; empty where nothing is."""
    digest = checksums.digest_of(file.blob)
    if (pinned := entry.sha256.get(file.name)) and pinned != digest:
        return f"has sha256 {digest}, expected {pinned}"
    if _SHA256.fullmatch(file.blob.name) and file.blob.name != digest:
        return f"has sha256 {digest}, the hub said {file.blob.name}"
    if _SHA1.fullmatch(file.blob.name) and file.blob.name != blob_sha1(file.blob):
        return "has not the bytes that the hub said"
    first = checksums.first_use(place(entry, file.name))
    if first and first["sha256"] != digest and first["revision"] == commit(entry):
        return f"has sha256 {digest}, and had {first['sha256']} at its first use"
    return ""


def settle(entry: HubWeight, file: CachedFile) -> str:
    """After :func:`fault` found nothing: record an unpinned file on its first use; returns a line to be said.

    A file of the main branch that has changed with the branch is recorded anew, and said too. One that was taken from a
    bundle without proof is never recorded: the first honest copy of it would then be the one that is refused.
    """
    if file.name in entry.sha256:
        return ""
    digest, revision, where = checksums.digest_of(file.blob), commit(entry), place(entry, file.name)
    if checksums.unproved(where) == digest:
        return f"{where}: {UNPROVED}"
    first = checksums.first_use(where)
    if first and first["sha256"] == digest:
        return ""
    checksums.record_first_use(where, digest, file.blob.stat().st_size, revision)
    if first:
        return f"{where} has changed with its branch since its first use: {first['sha256'][:12]} -> {digest[:12]}"
    return f"{where}: unpinned, sha256 {digest[:12]}... recorded on first use"


def set_aside(file: CachedFile) -> Path:
    """Take a file out of the snapshot, so that no loader finds it; returns where its bytes are now."""
    blob = file.blob
    rejected = blob.with_name(blob.name + ".rejected")
    os.replace(blob, rejected)
    if file.path.is_symlink():
        file.path.unlink()
    return rejected

"""Repositories of the Hugging Face hub in its cache (:mod:`wire.hub`), and what their bytes must be.

A blob's name is a promise of its bytes, made by the hub; ``weights.toml`` and the ledger make others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.weights import checksums
from harness.weights.entries import HubWeight, load_hub
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

    @property
    def blob_name(self) -> str:
        """As the hub's client names it: a promise of bytes. The sha256 in a cache that was filled by hand."""
        named = _SHA256.fullmatch(self.blob.name) or _SHA1.fullmatch(self.blob.name)
        return self.blob.name if named else checksums.digest_of(self.blob)


def cached_files(entry: HubWeight) -> list[CachedFile]:
    """The entry's files that are in the cache, by name."""
    there = entry.repository
    return [CachedFile(name, there.snapshot / name) for name in choose(entry.files, there.names())]


def missing(entry: HubWeight) -> list[str]:
    """What is not in the cache: see :meth:`wire.hub.Repository.missing`, and names whose digest is pinned."""
    return entry.repository.missing((*entry.files, *entry.sha256))


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
        return "does not have the bytes that the hub promised"
    first = checksums.first_use(place(entry, file.name))
    if first and first["sha256"] != digest and first["revision"] == entry.repository.commit:
        return f"has sha256 {digest}, and had {first['sha256']} at its first use"
    return ""


def settle(entry: HubWeight, file: CachedFile) -> str:
    """After :func:`fault` found nothing: record an unpinned file on its first use; returns a line to be said.

    A file of the main branch that has changed with the branch is recorded anew, and said too. One that was taken from a
    bundle without proof is never recorded: the first honest copy of it would then be the one that is refused.
    """
    if file.name in entry.sha256:
        return ""
    digest, revision, where = checksums.digest_of(file.blob), entry.repository.commit, place(entry, file.name)
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


def note_use(weights: Iterable[dict[str, Any]]) -> list[str]:
    """Record the hub's files that are not pinned, and tell of those that have changed.
    ``weights``: a worker's provenance: ``source`` or ``repo``, ``file``, ``revision``, ``sha256``; others do not count.
    Returns one line on what was recorded, and one for each file that differs from its first use, or was never proved.
    """
    pinned = {(entry.repo, name) for entry in load_hub().values() for name in entry.sha256}
    loaded = [weight for weight in map(_place, weights) if weight and weight[:2] not in pinned]
    unproved = [weight for weight in loaded if checksums.unproved("/".join(weight[:2])) == weight[3]]
    used = [weight for weight in loaded if weight not in unproved]
    new = [weight for weight in used if checksums.first_use("/".join(weight[:2])) is None]
    lines = []
    for repo, file, revision, digest in used:
        first = checksums.first_use(f"{repo}/{file}")
        if first and first["sha256"] != digest:
            lines.append(
                f"{repo}/{file} is not what it was on its first use: sha256 {first['sha256'][:12]} at revision "
                f"{first['revision'][:12]}, now {digest[:12]} at {revision[:12]}"
            )
    for repo, file, revision, digest in new:
        checksums.record_first_use(f"{repo}/{file}", digest, 0, revision)
    if new:
        named = ", ".join(f"{repo}/{file} {digest[:12]}" for repo, file, _, digest in new)
        lines.append(f"unpinned weights, recorded on first use: {named}")
    return lines + [f"{repo}/{file}: {UNPROVED}" for repo, file, _, _ in unproved]


def _place(weight: dict[str, Any]) -> tuple[str, str, str, str] | None:
    fields = (weight.get("repo") or weight.get("source"), *(weight.get(key) for key in ("file", "revision", "sha256")))
    whole = all(isinstance(field, str) and field for field in fields)
    return (str(fields[0]), str(fields[1]), str(fields[2]), str(fields[3])) if whole else None

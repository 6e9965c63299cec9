"""Repositories of the Hugging Face hub as its cache on this machine holds them, read without its client.

    <cache>/models--<owner>--<name>/refs/main                    commit of the main branch
                                   /snapshots/<commit>/<file>    link to a blob
                                   /blobs/<name>                 named after sha256 (large files), or after git's sha1

A blob's name is thus a promise of its bytes, made by the hub; ``weights.toml`` and the ledger make others.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.weights import checksums
from harness.weights.entries import HubWeight
from harness.weights.git_proof import blob_sha1
from wire.hub_files import FORMATS, MODEL_WEIGHTS, choose

#: What is said of a file that ``weights unpack --trust`` has taken, whenever it is looked at.
UNPROVED = "taken from a bundle with --trust, nothing proves that it is of the pinned commit; not recorded"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CachedFile:
    """A file of a snapshot.

    Attributes:
        name: within the repository.
        path: in the snapshot, a link as a rule.
    """

    name: str
    path: Path

    @property
    def blob(self) -> Path:
        """The file that holds the bytes."""
        return self.path.resolve()


def hub_cache() -> Path:
    """Where the hub's client keeps repositories."""
    root = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(root) / "hub").expanduser()


def repository(entry: HubWeight) -> Path:
    """The repository's folder in the cache."""
    return hub_cache() / ("models--" + entry.repo.replace("/", "--"))


def commit(entry: HubWeight) -> str:
    """The pinned commit, or the one that the cache knows as the main branch; empty where there is none."""
    if entry.revision:
        return entry.revision
    try:
        found = (repository(entry) / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return found if _SHA1.fullmatch(found) else ""


def cached_files(entry: HubWeight) -> list[CachedFile]:
    """The entry's files that are in the cache, by name. A link whose blob is gone does not count."""
    revision = commit(entry)
    snapshot = repository(entry) / "snapshots" / revision
    if not revision or not snapshot.is_dir():
        return []
    names = sorted(str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file())
    return [CachedFile(name, snapshot / name) for name in choose(entry.files, names)]


def missing(entry: HubWeight) -> list[str]:
    """What is not in the cache: exact names, shards that an index names, or the weights as a whole."""
    here = {file.name: file for file in cached_files(entry)}
    lacking = [name for name in entry.files if "*" not in name and name != MODEL_WEIGHTS and name not in here]
    lacking += [name for name in entry.sha256 if name not in here]
    if MODEL_WEIGHTS in entry.files and not any(name in here for name in FORMATS):
        lacking.append("the model's weights")
    for name in FORMATS:
        if name in here and name.endswith(".index.json"):
            lacking += [shard for shard in _shards(here[name].path) if shard not in here]
    return lacking if here else lacking or list(entry.files)


def _shards(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"{index.name} (unreadable)"]


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

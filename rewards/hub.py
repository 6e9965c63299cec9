"""Weights of scorers: found on this machine, or fetched; models are loaded from the snapshot's folder, by path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wire.errors import EnvironmentFailure
from wire.hub import MODEL_WEIGHTS, Repository, cached_sha256, choose, shards

#: Files that are hashed here; larger ones carry their digest in the name of their cache blob.
HASH_LIMIT = 256 * 1024**2
#: Configuration and tokenizer files of a repository: everything small that is not a weight.
SMALL_FILES: tuple[str, ...] = ("*.json", "*.txt", "*.model")


@dataclass(frozen=True)
class LocalWeight:
    """One weight file on this machine, of a hub repository at a commit or, without one, of the job's ``files``."""

    source: str
    revision: str | None
    path: Path

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self.path.stat().st_size

    def provenance(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"source": self.source, "revision": self.revision, "file": self.path.name, "sha256": self._sha256()}

    def _sha256(self) -> str | None:
        if known := cached_sha256(self.path):
            return known
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.size <= HASH_LIMIT else None


def snapshot(repo: str, patterns: Sequence[str] = SMALL_FILES, revision: str | None = None) -> Path:
    """Folder of a repository's files that match ``patterns``.
    Raises EnvironmentFailure: not in the cache, and not to be had from the hub.
    """
    return Repository(repo, revision or "").get(*patterns)


def hub_file(repo: str, name: str, revision: str | None = None) -> LocalWeight:
    """One file of a repository. Raises as :func:`snapshot`."""
    folder = snapshot(repo, (name,), revision)
    return LocalWeight(repo, folder.name, folder / name)


def model_files(repo: str, revision: str | None = None) -> list[LocalWeight]:
    """A model's weight files, in the best format that its repository has. Raises as :func:`snapshot`."""
    folder = snapshot(repo, (MODEL_WEIGHTS,), revision)
    best = choose((MODEL_WEIGHTS,), (path.name for path in folder.iterdir()))
    index = next((name for name in best if name.endswith(".index.json")), None)
    names = shards(folder / index) if index else best
    return [LocalWeight(repo, folder.name, folder / name) for name in names]


def has_weights_under(weights: Sequence[LocalWeight], prefix: str) -> bool:
    """Whether a sharded model's index names weights that begin so; of a model in one file that is not known: False."""
    for index in weights[0].path.parent.glob("*.index.json"):
        if any(name.startswith(prefix) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"]):
            return True
    return False


def local_file(files: Mapping[str, str], name: str) -> LocalWeight:
    """A weight that the job names by path.
    Raises EnvironmentFailure: the job does not name it, or there is no such file.
    """
    path = Path(files[name]) if name in files else None
    if path is None or not path.is_file():
        where = "the job names no path for it" if path is None else f"{path.name} is not here"
        raise EnvironmentFailure(f"weight {name}: {where}; fetch it with `miro-eval weights fetch {name}`")
    return LocalWeight(name, None, path)

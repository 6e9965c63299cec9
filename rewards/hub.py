"""Files of Hugging Face hub repositories: found in the cache, or fetched; every failure is one clear line.

``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and tokens are read by ``huggingface_hub`` itself. Models are then
loaded from the snapshot's folder, so that loading never touches the network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wire.errors import EnvironmentFailure

#: Files that are hashed here; larger ones carry their digest in the name of their cache blob.
HASH_LIMIT = 256 * 1024**2
#: Configuration and tokenizer files of a repository: everything small that is not a weight.
SMALL_FILES: tuple[str, ...] = ("*.json", "*.txt", "*.model")
#: Names of a model's weights, in the order of preference; an index names the shards beside it.
WEIGHT_NAMES: tuple[str, ...] = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)

T = TypeVar("T")


@dataclass(frozen=True)
class LocalWeight:
    """One weight file on this machine.

    Attributes:
        source: hub repository id, or name in the job's ``files``.
        revision: commit of the snapshot; None for a file that is not from the hub.
        path: where it lies.
    """

    source: str
    revision: str | None
    path: Path

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def provenance(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"source": self.source, "revision": self.revision, "file": self.path.name, "sha256": self._sha256()}

    def _sha256(self) -> str | None:
        blob = self.path.resolve().name
        if len(blob) == 64 and all(digit in "0123456789abcdef" for digit in blob):
            return blob
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.size <= HASH_LIMIT else None


def snapshot(repo: str, patterns: Sequence[str] = SMALL_FILES, revision: str | None = None) -> Path:
    """Folder of a repository's files that match ``patterns``.

    Raises:
        EnvironmentFailure: not in the cache, and not to be had from the hub.
    """
    from huggingface_hub import snapshot_download

    return Path(_reached(repo, lambda: snapshot_download(repo, revision=revision, allow_patterns=list(patterns))))


def hub_file(repo: str, name: str, revision: str | None = None) -> LocalWeight:
    """One file of a repository.

    Raises:
        EnvironmentFailure: not in the cache, and not to be had from the hub.
    """
    from huggingface_hub import hf_hub_download

    path = Path(_reached(f"{repo}/{name}", lambda: hf_hub_download(repo, name, revision=revision)))
    return LocalWeight(repo, commit_of(path), path)


def model_files(repo: str, revision: str | None = None) -> list[LocalWeight]:
    """A model's weight files, whichever of :data:`WEIGHT_NAMES` its repository has.

    Raises:
        EnvironmentFailure: the repository has none of them, or is out of reach.
    """
    for name in WEIGHT_NAMES:
        first = _optional_file(repo, name, revision)
        if first is not None:
            return _with_shards(first, repo, revision)
    return [hub_file(repo, WEIGHT_NAMES[0], revision)]


def _optional_file(repo: str, name: str, revision: str | None) -> LocalWeight | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    def fetch() -> Path | None:
        try:
            return Path(hf_hub_download(repo, name, revision=revision))
        except EntryNotFoundError:
            return None

    path = _reached(f"{repo}/{name}", fetch)
    return None if path is None else LocalWeight(repo, commit_of(path), path)


def _with_shards(first: LocalWeight, repo: str, revision: str | None) -> list[LocalWeight]:
    if not first.path.name.endswith(".index.json"):
        return [first]
    index = json.loads(first.path.read_text(encoding="utf-8"))
    return [hub_file(repo, shard, revision) for shard in sorted(set(index["weight_map"].values()))]


def commit_of(path: Path) -> str | None:
    """The commit in a cache path ``.../snapshots/<commit>/...``."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else None


def local_file(files: Mapping[str, str], name: str) -> LocalWeight:
    """A weight that the job names by path.

    Raises:
        EnvironmentFailure: the job does not name it, or there is no such file.
    """
    path = Path(files[name]) if name in files else None
    if path is None or not path.is_file():
        where = "the job names no path for it" if path is None else f"no file at {path}"
        raise EnvironmentFailure(f"weight {name}: {where}; give it as parameters.files[{name!r}]")
    return LocalWeight(name, None, path)


def _reached(what: str, fetch: Callable[[], T]) -> T:
    from huggingface_hub import constants

    try:
        return fetch()
    except (OSError, ValueError) as error:
        state = "the hub is switched off (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else _first_line(error)
        raise EnvironmentFailure(
            f"{what}: not in the hub cache {constants.HF_HUB_CACHE}, and {state}; "
            "fetch it on a machine that reaches the hub, or point HF_HOME at a cache that has it"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"the hub did not give it ({type(error).__name__}: {lines[0]})"

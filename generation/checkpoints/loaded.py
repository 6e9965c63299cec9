"""What a loader hands over: the model, and which files it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from generation.miro_model import MiroModel
from wire.hub import cached_sha256

#: Bytes read at a time for hashing: large enough to keep a disk busy, small beside any model.
CHUNK = 1 << 22


@dataclass
class LoadedCheckpoint:
    """A model and its provenance.

    Attributes:
        model: on the CPU, float32.
        vae: provenance of the VAE it decodes with.
        repo: repository they came from; empty for local files.
        revision: its commit.
    """

    model: MiroModel
    files: list[Path]
    vae: dict[str, str]
    repo: str = ""
    revision: str = ""

    @cached_property
    def weights(self) -> list[dict[str, str]]:
        """For ``run.json``: each file's name and sha256, and repository and commit where it has them."""
        origin = {"repo": self.repo, "revision": self.revision} if self.repo else {}
        return [*(origin | {"file": path.name, "sha256": file_sha256(path)} for path in self.files), self.vae]


def file_sha256(path: Path) -> str:
    """Hash of a file; that of a large file in the hub's cache is known without reading."""
    known = cached_sha256(path)
    if known:
        return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

"""Text features on disk, so that the next checkpoint's images do not encode the same prompts again.

What is kept is a whole *chunk*: the features of the prompts that were encoded in one forward pass, under a hash of
those prompts in order and of everything that decides the result: the weights' sha256, tokenizer files, number format,
device, package versions. A float's last bits depend on the shape of its batch (for some models the longest prompt
beside it decides that shape), so features kept prompt by prompt would not always be those of a run without a cache;
chunk by chunk they are the same bits. Another suite, limit or batch size makes other chunks.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

#: Version of the file format (sha256 of the rest, then a ``.npy`` file) and of how texts are encoded.
FORMAT = 2
_DIGEST = 32
_SMALL = (".json", ".txt", ".model", ".py")


class TextCache:
    """Chunks of one scorer's text features.

    A file appears whole or not at all, and is believed only if it carries its own digest; any other is computed and
    written again. Runs side by side at worst do the same work twice.

    Args:
        folder: where all caches live; made when first needed.
        identity: everything besides the prompts that decides the features.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], warn: Callable[[str], object]) -> None:
        self._folder = folder
        self._identity = {**identity, "format": FORMAT}
        self._warn = warn
        self._writes = True

    def load(self, prompts: Sequence[str]) -> Tensor | None:
        """The chunk's features, (N, D) float32 on the CPU; None if they are not there, or damaged."""
        import torch

        try:
            content = self._path(prompts).read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            features = np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False)
        except (OSError, ValueError):
            return None
        return torch.from_numpy(features) if len(features) == len(prompts) else None

    def store(self, prompts: Sequence[str], features: Tensor) -> None:
        """Keep a chunk. A folder that cannot be written to is told once, and costs nothing but time."""
        if not self._writes:
            return
        packed = io.BytesIO()
        np.save(packed, features.cpu().numpy(), allow_pickle=False)
        content = packed.getvalue()
        path = self._path(prompts)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(partial, path)
        except OSError as error:
            self._writes = False
            self._warn(f"text features are not kept for the next run ({error.strerror}: {self._folder})")

    def _path(self, prompts: Sequence[str]) -> Path:
        key = json.dumps([self._identity, list(prompts)], sort_keys=True)
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name


def small_files_digest(folders: Iterable[Path]) -> str:
    """One hash over the configuration, tokenizer and code files of some folders: names and contents."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in _SMALL and path.is_file():
                digest.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

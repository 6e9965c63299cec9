"""Text features, computed once per unique prompt, and kept on disk for the next checkpoint's images.

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
import torch

from rewards.scorers.base import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.memory import Parts

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
        try:
            content = self._path(prompts).read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                return None
            features = np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False)
        except (OSError, ValueError):
            return None
        return torch.from_numpy(features) if len(features) == len(prompts) else None

    def store(self, prompts: Sequence[str], features: Tensor) -> None:
        """Keep a chunk. A folder that cannot be written to is reported once, and costs nothing but time."""
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


class TextFeatures:
    """A scorer's text features by prompt, encoded chunk by chunk when first asked for.

    Chunks are cut from the list of *all* unique prompts and padded to one size, so that a prompt's features do not
    depend on which other prompts are needed, or on what was encoded before.

    Args:
        scorer: a loaded scorer with ``encodes_text``.
        prompts: all prompts of the job, in order; repeated ones count once.
        parts: computes chunks of its size.
        size: prompts per chunk.
        cache: chunks of earlier runs; None to encode every chunk.
    """

    def __init__(
        self,
        scorer: Scorer,
        prompts: Iterable[str],
        parts: Parts,
        size: int,
        device: str,
        cache: TextCache | None = None,
    ) -> None:
        self._scorer = scorer
        self._prompts = list(dict.fromkeys(prompts))
        self._parts = parts
        self._size = size
        self._device = device
        self._cache = cache
        self._place = {prompt: index for index, prompt in enumerate(self._prompts)}
        self._chunks: dict[int, Tensor] = {}

    def rows(self, prompts: Sequence[str]) -> Tensor:
        """Features of prompts from the list, (N, D)."""
        places = [divmod(self._place[prompt], self._size) for prompt in prompts]
        for number in sorted({number for number, _ in places} - self._chunks.keys()):
            chunk = self._prompts[number * self._size : (number + 1) * self._size]
            self._chunks[number] = self._chunk(chunk + [chunk[-1]] * (self._size - len(chunk)))
        return torch.stack([self._chunks[number][row] for number, row in places])

    def _chunk(self, prompts: Sequence[str]) -> Tensor:
        """Features of a whole chunk, from the cache or computed."""
        if self._cache and (found := self._cache.load(prompts)) is not None:
            return found.to(self._device)
        features = self._parts(lambda rows: self._scorer.encode_text([prompts[row] for row in rows]))
        if self._cache and not self._parts.halved:  # a chunk encoded in parts is not what the cache promises
            self._cache.store(prompts, features)
        return features

"""Text features, computed once per unique prompt, and kept on disk for the next checkpoint's images.

What is kept is a whole *chunk*: the features of the prompts that were encoded in one forward pass, under a hash of
those prompts in order and of everything that decides the result: the weights' sha256, tokenizer files, number format,
device, package versions. A float's last bits depend on the shape of its batch (for some models the longest prompt
beside it decides that shape), so features kept prompt by prompt would not always be those of a run without a cache;
chunk by chunk they are the same bits. Another suite, limit or batch size makes other chunks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rewards.scorers.base import Scorer
from wire.arrays import ArrayCache

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.memory import Parts

_SMALL = (".json", ".txt", ".model", ".py")


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
    ``scorer``: a loaded scorer with ``encodes_text``.
    ``prompts``: all prompts of the job, in order; repeated ones count once.
    ``parts``: computes chunks of its size.
    ``size``: prompts per chunk.
    ``cache``: chunks of earlier runs; None to encode every chunk.
    """

    def __init__(
        self,
        scorer: Scorer,
        prompts: Iterable[str],
        parts: Parts,
        size: int,
        device: str,
        cache: ArrayCache | None = None,
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
        key = json.dumps(prompts)
        if self._cache and (found := self._cache.load(key)) is not None:
            return torch.from_numpy(found).to(self._device)
        features = self._parts(lambda rows: self._scorer.encode_text([prompts[row] for row in rows]))
        if self._cache and not self._parts.halved:  # a chunk encoded in parts is not what the cache promises
            self._cache.store(key, features.cpu().numpy())
        return features

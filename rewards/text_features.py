"""Text features, computed once per unique prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rewards.memory import Parts
from rewards.scorers.base import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.text_cache import TextCache


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
        import torch

        places = [divmod(self._place[prompt], self._size) for prompt in prompts]
        return torch.stack([self._chunk(chunk)[row] for chunk, row in places])

    def _chunk(self, number: int) -> Tensor:
        if number not in self._chunks:
            chunk = self._prompts[number * self._size : (number + 1) * self._size]
            padded = chunk + [chunk[-1]] * (self._size - len(chunk))
            self._chunks[number] = self._encoded(padded) if self._cache is None else self._cached(padded, self._cache)
        return self._chunks[number]

    def _cached(self, prompts: Sequence[str], cache: TextCache) -> Tensor:
        found = cache.load(prompts)
        if found is not None:
            return found.to(self._device)
        features = self._encoded(prompts)
        if not self._parts.halved:  # a chunk encoded in parts is not what the cache promises
            cache.store(prompts, features)
        return features

    def _encoded(self, prompts: Sequence[str]) -> Tensor:
        return self._parts(lambda rows: self._scorer.encode_text([prompts[row] for row in rows]))

"""One batch through the loaded scorers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from rewards.cells import Outcome, outcome
from rewards.memory import Parts
from rewards.prefetch import Prepared
from rewards.scorers.base import Batch, Scorer
from rewards.text_features import TextFeatures

if TYPE_CHECKING:
    from torch import Tensor


class BatchScorer:
    """Scores batches of one fixed size.

    Every forward pass has ``size`` rows: a short batch, and the place of an unreadable image, are filled with a
    repeated pair, so that neither changes the numbers of the others.

    Args:
        texts: text features by metric, for the scorers that have them.
        parts: computes a batch of a scorer, by metric; in parts where memory is short.
    """

    def __init__(self, device: str, size: int, texts: Mapping[str, TextFeatures], parts: Mapping[str, Parts]) -> None:
        self._device = device
        self._size = size
        self._texts = texts
        self._parts = parts

    def results(self, batch: Sequence[Prepared], scorers: Sequence[Scorer]) -> dict[str, list[Outcome]]:
        """Outcome of every image of the batch, by metric."""
        readable = next((prepared for prepared in batch if prepared.error is None), None)
        if readable is None:
            return {scorer.card.metric: _spread(batch, [math.nan] * len(batch)) for scorer in scorers}
        rows = [readable if prepared.error else prepared for prepared in batch]
        rows += [readable] * (self._size - len(rows))
        stacks: dict[tuple[Hashable, ...], Tensor] = {}
        return {scorer.card.metric: _spread(batch, self._values(rows, scorer, stacks)) for scorer in scorers}

    def _values(
        self, rows: Sequence[Prepared], scorer: Scorer, stacks: dict[tuple[Hashable, ...], Tensor]
    ) -> list[float]:
        metric = scorer.card.metric
        keys = tuple(row.keys[metric] for row in rows)
        if keys not in stacks:
            stacks[keys] = torch.stack([row.tensors[key] for row, key in zip(rows, keys, strict=True)]).to(self._device)
        pixels = stacks[keys]
        prompts = [row.item.prompt for row in rows]
        text = self._texts[metric].rows(prompts) if metric in self._texts else None

        def score(part: Sequence[int]) -> Tensor:
            chosen = [prompts[row] for row in part]
            return scorer.score(Batch(pixels[part], chosen, None if text is None else text[part]))

        return self._parts[metric](score).tolist()


def _spread(batch: Sequence[Prepared], values: Sequence[float]) -> list[Outcome]:
    """The values of the readable images and the reasons of the others; values beyond the batch are padding."""
    return [prepared.error or outcome(value) for prepared, value in zip(batch, values, strict=False)]

"""One batch through the loaded scorers, and the cells that come of it: one value of one metric for one image."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewards.images import Prepared
from rewards.own_scorer import own_fault
from rewards.scorers.base import Batch, Scorer
from wire.errors import MiroEvalError
from wire.protocol import Item

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.memory import Parts
    from rewards.text_features import TextFeatures

#: A value, or the reason why there is none.
Outcome = float | str


def cell(item: Item, sha256: str | None, metric: str, result: Outcome) -> dict[str, Any]:
    """One output row: ``value`` is a float and ``error`` null, or the other way round."""
    scored = isinstance(result, float)
    return {
        "filename": item.filename,
        "prompt_index": item.prompt_index,
        "sample_index": item.sample_index,
        "image_sha256": sha256,
        "metric": metric,
        "value": result if scored else None,
        "error": None if scored else result,
    }


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
        stacks: dict[tuple[Hashable, ...], Tensor] = {}
        return {scorer.card.metric: self._outcomes(batch, scorer, stacks) for scorer in scorers}

    def _outcomes(
        self, batch: Sequence[Prepared], scorer: Scorer, stacks: dict[tuple[Hashable, ...], Tensor]
    ) -> list[Outcome]:
        """The values of the readable images and the reasons of the others."""
        metric = scorer.card.metric
        values: Sequence[Outcome] = [""] * len(batch)
        if readable := next((prepared for prepared in batch if metric in prepared.keys), None):
            rows = [prepared if metric in prepared.keys else readable for prepared in batch]
            rows += [readable] * (self._size - len(rows))
            try:
                found = self._values(rows, scorer, stacks)
                values = [value if math.isfinite(value) else f"the model gave {value}" for value in found]
            except MiroEvalError:
                raise
            except Exception as error:
                values = [own_fault(scorer, error)] * len(batch)
        return [prepared.errors.get(metric, value) for prepared, value in zip(batch, values, strict=False)]

    def _values(
        self, rows: Sequence[Prepared], scorer: Scorer, stacks: dict[tuple[Hashable, ...], Tensor]
    ) -> list[float]:
        import torch

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

        values = self._parts[metric](score)
        if values.shape != (self._size,):
            raise ValueError(f"it gave values of shape {tuple(values.shape)} for {self._size} pairs")
        return values.tolist()

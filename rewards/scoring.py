"""One batch through the loaded scorers, and the cells that come of it: one value of one metric for one image."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from rewards.images import Prepared
from rewards.memory import library_of
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


class Passes:
    """A loaded scorer's forward passes, over batches of one fixed size.

    Each has ``size`` rows: a short batch, and the place of an unreadable image, are filled with a repeated pair, so
    that neither changes the numbers of the others.

    Args:
        parts: computes a batch; in parts where memory is short.
        texts: the scorer's text features, where it has them.
    """

    def __init__(self, scorer: Scorer, device: str, size: int, parts: Parts, texts: TextFeatures | None) -> None:
        self.metric = scorer.card.metric
        self._scorer = scorer
        self._device = device
        self._size = size
        self._parts = parts
        self._texts = texts

    def outcomes(self, batch: Sequence[Prepared], stacks: dict[tuple[Hashable, ...], Tensor]) -> list[Outcome]:
        """The values of the batch's readable images and the reasons of the others.

        ``stacks`` keeps tensors of the whole batch for scorers that share them.
        """
        values: Sequence[Outcome] = [""] * len(batch)
        if readable := next((prepared for prepared in batch if self.metric in prepared.keys), None):
            rows = [prepared if self.metric in prepared.keys else readable for prepared in batch]
            rows += [readable] * (self._size - len(rows))
            try:
                found = self._values(rows, stacks)
                values = [value if math.isfinite(value) else f"the model gave {value}" for value in found]
            except MiroEvalError:
                raise
            except Exception as error:
                values = [own_fault(self._scorer, error)] * len(batch)
        return [prepared.errors.get(self.metric, value) for prepared, value in zip(batch, values, strict=False)]

    def _values(self, rows: Sequence[Prepared], stacks: dict[tuple[Hashable, ...], Tensor]) -> list[float]:
        keys = tuple(row.keys[self.metric] for row in rows)
        if keys not in stacks:
            images = [row.tensors[key] for row, key in zip(rows, keys, strict=True)]
            stack = library_of(images[0]).stack(images)
            stacks[keys] = stack.to(self._device) if hasattr(stack, "to") else stack
        pixels, prompts = stacks[keys], [row.item.prompt for row in rows]
        text = self._texts.rows(prompts) if self._texts else None

        def score(part: Sequence[int]) -> Tensor:
            chosen = [prompts[row] for row in part]
            return self._scorer.score(Batch(pixels[part], chosen, None if text is None else text[part]))

        values = self._parts(score)
        if values.shape != (self._size,):
            raise ValueError(f"it gave values of shape {tuple(values.shape)} for {self._size} pairs")
        return values.tolist()

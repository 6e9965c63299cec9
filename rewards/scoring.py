"""One batch through the loaded scorers, and the cells that come of it: one value of one metric for one image."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from rewards.images import Prepared
from rewards.own_scorer import own_fault
from rewards.scorers.base import Batch, Judged, Outcome, Scorer
from wire.errors import MiroEvalError
from wire.own_code import one_line
from wire.protocol import Item

if TYPE_CHECKING:
    from torch import Tensor

    from rewards.memory import Parts
    from rewards.text_features import TextFeatures


def cell(item: Item, sha256: str | None, metric: str, result: Outcome) -> dict[str, Any]:
    """One output row: ``value`` is a float and ``error`` null, or the other way round; ``details`` where there are."""
    details = {"details": result.details} if isinstance(result, Judged) else {}
    value = result.value if isinstance(result, Judged) else result
    scored = isinstance(value, float)
    return {
        "filename": item.filename,
        "prompt": item.prompt,
        "prompt_index": item.prompt_index,
        "sample_index": item.sample_index,
        "image_sha256": sha256,
        "metric": metric,
        "value": value if scored else None,
        "error": None if scored else value,
        **details,
    }


def filled(batch: Sequence[Prepared], metric: str, size: int) -> list[Prepared]:
    """``size`` images: a readable one stands in for each that is not, and for those that lack; [] if none is."""
    readable = next((image for image in batch if metric in image.keys), None)
    if readable is None:
        return []
    return [image if metric in image.keys else readable for image in batch] + [readable] * (size - len(batch))


class Passes:
    """A loaded scorer's forward passes, over batches of one fixed size.

    Each has ``size`` rows: a short batch, and the place of an unreadable image, are filled with a repeated pair, so
    that neither changes the numbers of the others.
    ``parts``: computes a batch; in parts where memory is short.
    ``texts``: the scorer's text features, where it has them.
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
        pieces = (batch[start : start + self._size] for start in range(0, len(batch), self._size))
        return [outcome for piece in pieces for outcome in self._piece(piece, stacks)]

    def _piece(self, batch: Sequence[Prepared], stacks: dict[tuple[Hashable, ...], Tensor]) -> list[Outcome]:
        """The same for at most ``size`` images, in one batch."""
        values: Sequence[Outcome] = [""] * len(batch)
        if rows := filled(batch, self.metric, self._size):
            try:
                values = list(map(_sound, self._values(rows, stacks)))
            except MiroEvalError:
                raise
            except Exception as error:
                values = [own_fault(self._scorer, error)] * len(batch)
        return [prepared.errors.get(self.metric, value) for prepared, value in zip(batch, values, strict=False)]

    def _values(self, rows: Sequence[Prepared], stacks: dict[tuple[Hashable, ...], Any]) -> list[Outcome]:
        pixels, lines = self._pixels(rows, stacks), [row.item.metadata for row in rows]
        prompts = [row.item.prompt for row in rows]
        text = self._texts.rows(prompts) if self._texts else None

        def judge(part: Sequence[int]) -> list[Outcome]:
            images = [pixels[row] for row in part] if self._scorer.any_shape else pixels[part]
            texts = None if text is None else text[part]
            chosen = [prompts[row] for row in part]
            found: Any = self._scorer.judge(Batch(images, chosen, texts, [lines[row] for row in part]))
            if not isinstance(found, list) or len(found) != len(chosen):
                size = f" of {len(found)}" if isinstance(found, list) else ""
                raise ValueError(f"judge gave a {type(found).__name__}{size}, not a list of {len(chosen)}")
            return found

        return self._parts(judge, lambda parts: [outcome for part in parts for outcome in part])

    def _pixels(self, rows: Sequence[Prepared], stacks: dict[tuple[Hashable, ...], Any]) -> Any:
        """The rows' tensors on the device: one of all, or a list where their shapes may differ."""
        # scorers with equal keys may have been given different images, where one of them refuses some
        keys = (self._scorer.any_shape, *((row.item.filename, row.keys[self.metric]) for row in rows))
        if keys not in stacks:
            tensors = [row.tensors[row.keys[self.metric]] for row in rows]
            listed = [one.to(self._device) for one in tensors] if self._scorer.any_shape else None
            stacks[keys] = listed or self._stacked(tensors)
        return stacks[keys]

    def _stacked(self, images: Sequence[Any]) -> Any:
        """Torch's tensors on the device, or numpy's arrays, where a user's own environment has no torch."""
        import numpy as np

        if isinstance(images[0], np.ndarray):
            return np.stack(images)
        import torch

        return torch.stack(list(images)).to(self._device)


def _sound(found: Any) -> Outcome:
    """What was found of a pair, or why it is no score; a user's scorer may give whatever it likes."""
    value = found.value if isinstance(found, Judged) else found
    if isinstance(value, str):
        return one_line(value) or "no reason is given"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        return one_line(f"the model gave {value}")
    if not isinstance(found, Judged):
        return number
    try:
        json.dumps(found.details, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return f"its details are not JSON ({error})"
    return Judged(number, found.details)

"""Scores of a prompt's images taken together: features image by image, values prompt by prompt.

A prompt is worked on as a whole wherever one of its values is missing, also in a share that has not all of its images.
Each value says in ``details`` of which images it is (:func:`wire.protocol.digest_of`), so that a prompt of which one
image has changed, or that has more images now, is scored anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.images import Prepared, prepared_batches
from rewards.scorers.base import Judged
from rewards.scoring import cell, filled
from wire.grouping import grouped
from wire.protocol import SAMPLES_DIGEST, Item, digest_of, samples_of

if TYPE_CHECKING:
    from rewards.memory import Parts
    from rewards.scorers.diversity import Diversity

Row = dict[str, Any]
#: File name -> features of its image, (D,) float32.
Features = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Loaded:
    """A loaded scorer; ``parts`` computes a batch of ``size`` images, in parts where memory is short."""

    scorer: Diversity
    device: str
    size: int
    parts: Parts

    @property
    def metric(self) -> str:
        """Its id."""
        return self.scorer.card.metric

    def features(self, images: Sequence[Prepared]) -> Features:
        """Of every readable image, in batches of one fixed size."""
        import torch

        found = {}
        for start in range(0, len(images), self.size):
            piece = images[start : start + self.size]
            if not (rows := filled(piece, self.metric, self.size)):
                continue
            pixels = torch.stack([row.tensors[row.keys[self.metric]] for row in rows]).to(self.device)
            made = self.parts(lambda part, pixels=pixels: self.scorer.features(pixels[part]).float().cpu())
            vectors = zip(piece, made.numpy(), strict=False)
            found |= {image.item.filename: vector for image, vector in vectors if self.metric in image.keys}
        return found


def rows_of_prompts(
    items: Sequence[Item], run_dir: Path, loaded: Sequence[Loaded], lacks: Callable[[Item, str], bool]
) -> Iterator[list[Row]]:
    """The missing cells of the scorers, in batches of whole prompts.
    ``items``: all images of the run, finished or not.
    ``lacks``: whether an image has no value of a metric, and shall have one.
    """
    prompts = samples_of(items)
    usual = Counter(map(len, prompts.values())).most_common(1)[0][0]
    wanted = [
        batch
        for batch in _whole_prompts([*prompts.values()], loaded[0].size)
        if any(lacks(item, one.metric) for item in batch for one in loaded)
    ]
    for images in prepared_batches(wanted, run_dir, [one.scorer for one in loaded]):
        features: dict[str, Features] = {}
        for one in loaded:
            if one.scorer.repo not in features:
                features[one.scorer.repo] = one.features(images)
        rows: list[Row] = []
        for samples in grouped((image.item.prompt_index, image) for image in images).values():
            columns = [_cells(samples, one, features[one.scorer.repo], usual) for one in loaded]
            for image, cells in zip(samples, zip(*columns, strict=True), strict=True):
                rows += [row for row in cells if lacks(image.item, row["metric"])]
        yield rows


def _whole_prompts(prompts: Sequence[Sequence[Item]], size: int) -> Iterator[list[Item]]:
    """Images of consecutive prompts, ``size`` or as few more as whole prompts take; whatever of them is done."""
    batch: list[Item] = []
    for samples in prompts:
        batch += samples
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _cells(samples: Sequence[Prepared], one: Loaded, features: Features, usual: int) -> list[Row]:
    """A cell for each of a prompt's images."""
    metric, count = one.metric, len(samples)
    unread = next((image for image in samples if metric not in image.keys), None)
    if count < 2 or count != usual:
        others = "diversity needs two" if count < 2 else f"most prompts have {usual}"
        reason = f"the prompt has {count} {'sample' if count == 1 else 'samples'}: {others}"
    elif unread is not None:
        reason = f"a sample of the prompt has no features: {unread.item.filename}: {unread.errors[metric]}"
    else:
        vectors = np.stack([features[image.item.filename] for image in samples])
        if np.isfinite(vectors).all() and vectors.any(axis=1).all():
            details = {"samples": count, SAMPLES_DIGEST: digest_of([image.sha256 for image in samples])}
            values = one.scorer.of_prompt(vectors)
            return [
                cell(image.item, image.sha256, metric, Judged(value, details))
                for image, value in zip(samples, values, strict=True)
            ]
        reason = "the model gave features without a direction (zero or not finite)"
    return [cell(image.item, image.sha256, metric, image.errors.get(metric, reason)) for image in samples]

"""From image files to their rows: read, detect, select, name colors, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geneval.color import ColorClassifier, Cutout, Shown
from geneval.detectors.base import Detections, Detector
from geneval.images import ImageFault, LoadedImage, read_image
from geneval.judge import Box, JudgeOptions, color_names, colors_needed, judge, normalise, select
from geneval.outlines import encode
from geneval.rows import Row, Seen, scored_row, unscored_row
from wire.protocol import Item

#: For each class of an image the probabilities of the ten colors, a list an object.
Answers = dict[str, list[list[float]]]


@dataclass(frozen=True)
class Prepared:
    """An image on its way to the detector, with what the detector's ``preprocess`` made of it."""

    item: Item
    image: LoadedImage
    network_input: Any


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be scored, and why."""

    item: Item
    fault: ImageFault


@dataclass(frozen=True)
class Evaluator:
    """Judges images, a batch at a time.

    Attributes:
        run_dir: what file names are relative to.
        colors: names colors; None when no prompt asks for one.
    """

    run_dir: Path
    detector: Detector
    colors: ColorClassifier | None
    options: JudgeOptions

    def prepare(self, item: Item) -> Prepared | Unreadable:
        """Read, hash, decode and resize an image: the part that needs no model, for a background thread."""
        try:
            image = read_image(self.run_dir / item.filename, item.filename)
        except ImageFault as fault:
            return Unreadable(item, fault)
        return Prepared(item, image, self.detector.preprocess(image.pixels()))

    def evaluate(self, batch: Sequence[Prepared | Unreadable]) -> list[Row]:
        """The rows of prepared images, in their order."""
        readable = [one for one in batch if isinstance(one, Prepared)]
        tags = [one.item.metadata["tag"] for one in readable]
        inputs = [one.network_input for one in readable]
        found = self.detector.detect_batch(inputs, [self.options.threshold(tag) for tag in tags])
        kept = [kept_indices(one, tag, self.options) for one, tag in zip(found, tags, strict=True)]
        answers = self._answers(readable, found, kept)
        scored = iter(zip(readable, found, kept, answers, strict=True))
        return [self._unscored(one) if isinstance(one, Unreadable) else self._row(*next(scored)) for one in batch]

    def _unscored(self, one: Unreadable) -> Row:
        return unscored_row(one.item, one.fault.sha256, self.detector.name, str(one.fault))

    def _answers(
        self, images: Sequence[Prepared], found: Sequence[Detections], kept: Sequence[Mapping[str, Sequence[int]]]
    ) -> list[Answers]:
        """Color answers for each image: all that are needed for the batch, asked together."""
        if self.colors is None:
            return [{} for _ in images]
        return self.colors.probabilities([shown(*one) for one in zip(images, found, kept, strict=True)])

    def _row(self, one: Prepared, found: Detections, kept: Mapping[str, Sequence[int]], answers: Answers) -> Row:
        objects = _boxes(found, kept)
        masks = {name: [encode(found.mask(i)) for i in indices] for name, indices in kept.items()}
        verdict = judge(objects, normalise(one.item.metadata), color_names(answers), self.options)
        return scored_row(one.item, one.image.sha256, self.detector.name, Seen(objects, masks, answers), verdict)


def shown(one: Prepared, found: Detections, kept: Mapping[str, Sequence[int]]) -> Shown:
    """The objects of an image whose color its prompt asks about."""
    needed = colors_needed(_boxes(found, kept), normalise(one.item.metadata))
    cutouts = {
        name: [Cutout(found.boxes[i], found.mask(i)) for i in kept[name][:count]] for name, count in needed.items()
    }
    return Shown(one.image.picture, cutouts)


def _boxes(found: Detections, kept: Mapping[str, Sequence[int]]) -> dict[str, list[Box]]:
    return {name: [found.boxes[i] for i in indices] for name, indices in kept.items()}


def kept_indices(found: Detections, tag: str, options: JudgeOptions) -> dict[str, list[int]]:
    """Which detections count, best first, for each class that has any."""
    threshold = options.threshold(tag)
    kept = {
        name: [indices[k] for k in select([found.boxes[i] for i in indices], threshold, options)]
        for name, indices in found.indices().items()
    }
    return {name: indices for name, indices in kept.items() if indices}

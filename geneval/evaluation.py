"""From image files to their rows: read, detect, select, name colors, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from geneval.color import ColorClassifier, Cutout, Shown
from geneval.detectors import Detections, Detector
from geneval.images import ImageFault, LoadedImage, encode, read_image
from geneval.judge import Box, JudgeOptions, color_names, colors_needed, judge, normalise, select_each
from geneval.rows import Answers, Row, scored_row, unscored_row
from wire.protocol import Item

#: Which detections of a class count, best first, for each class that has any.
Kept = Mapping[str, Sequence[int]]
#: Those detections themselves.
Objects = Mapping[str, Sequence[Cutout]]


@dataclass(frozen=True)
class Prepared:
    """An image on its way to the detector, with what the detector's ``preprocess`` made of it."""

    item: Item
    image: LoadedImage
    network_input: Any


@dataclass(frozen=True)
class Evaluator:
    """Judges images, a batch at a time; file names are relative to ``run_dir``.

    ``colors`` names colors; it is None when no prompt asks for one.
    """

    run_dir: Path
    detector: Detector
    colors: ColorClassifier | None
    options: JudgeOptions

    def prepare(self, item: Item) -> Prepared | Row:
        """Read, hash, decode and resize an image: the part that needs no model, for a background thread.

        One that cannot be scored has its row already.
        """
        try:
            image = read_image(self.run_dir / item.filename, item.filename)
        except ImageFault as fault:
            return unscored_row(item, fault.sha256, self.detector.name, str(fault))
        return Prepared(item, image, self.detector.preprocess(image.pixels()))

    def evaluate(self, batch: Sequence[Prepared | Row]) -> list[Row]:
        """The rows of prepared images, in their order."""
        readable = [one for one in batch if isinstance(one, Prepared)]
        tags = [one.item.metadata["tag"] for one in readable]
        inputs = [one.network_input for one in readable]
        found = self.detector.detect_batch(inputs, [self.options.threshold(tag) for tag in tags])
        kept = [kept_indices(one, tag, self.options) for one, tag in zip(found, tags, strict=True)]
        objects = [cutouts(*one) for one in zip(found, kept, strict=True)]
        answers: Sequence[Answers] = [{} for _ in readable]
        if self.colors is not None:
            answers = self.colors.probabilities([_shown(*one) for one in zip(readable, objects, strict=True)])
        scored = iter(zip(readable, objects, answers, strict=True))
        return [self._row(*next(scored)) if isinstance(one, Prepared) else one for one in batch]

    def _row(self, one: Prepared, objects: Objects, answers: Answers) -> Row:
        boxes = {name: [cutout.box for cutout in some] for name, some in objects.items()}
        masks = {name: [encode(cutout.mask) for cutout in some] for name, some in objects.items()}
        verdict = judge(boxes, normalise(one.item.metadata), color_names(answers), self.options)
        return scored_row(
            one.item, one.image.sha256, self.detector.name, verdict, objects=boxes, masks=masks, colors=answers
        )


def _shown(one: Prepared, objects: Objects) -> Shown:
    """The objects of an image whose color its prompt asks about."""
    boxes = {name: [cutout.box for cutout in some] for name, some in objects.items()}
    needed = colors_needed(boxes, normalise(one.item.metadata))
    return Shown(one.image.picture, {name: objects[name][:count] for name, count in needed.items()})


def cutouts(found: Detections, kept: Kept) -> Objects:
    """The detections that count; their pixels leave the detector's device together, in one wait."""
    indices = [*chain.from_iterable(kept.values())]
    masks = iter(found.pixels(indices) if indices else ())
    return {name: [Cutout(found.boxes[i], next(masks)) for i in some] for name, some in kept.items()}


def boxes_of(found: Detections, kept: Kept) -> dict[str, list[Box]]:
    """The boxes of the detections that count."""
    return {name: [found.boxes[i] for i in indices] for name, indices in kept.items()}


def kept_indices(found: Detections, tag: str, options: JudgeOptions) -> dict[str, list[int]]:
    """Which detections count, best first, for each class that has any."""
    indices = found.indices()
    kept = select_each(boxes_of(found, indices), tag, options)
    return {name: [indices[name][place] for place in places] for name, places in kept.items()}

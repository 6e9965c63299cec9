"""From an image file to its row: read, detect, select, name colors, judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geneval.color import ColorClassifier, Cutout
from geneval.detectors.base import Detections, Detector
from geneval.images import ImageFault, LoadedImage, read_image
from geneval.judge import JudgeOptions, color_names, colors_needed, judge, select
from geneval.rows import Row, scored_row, unscored_row
from harness.protocol import Item


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
    """Judges images one by one.

    Attributes:
        run_dir: what file names are relative to.
        detector: finds the objects.
        colors: names colors; None when no prompt asks for one.
        options: the judge's thresholds.
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

    def evaluate(self, prepared: Prepared | Unreadable) -> Row:
        """The row of a prepared image."""
        item = prepared.item
        if isinstance(prepared, Unreadable):
            return unscored_row(item, prepared.fault.sha256, self.detector.name, str(prepared.fault))
        found = self.detector.detect(prepared.network_input, self.options.threshold(item.metadata["tag"]))
        kept = kept_indices(found, item.metadata["tag"], self.options)
        objects = {name: [found.boxes[i] for i in indices] for name, indices in kept.items()}
        probabilities = self._probabilities(prepared.image, found, kept, colors_needed(objects, item.metadata))
        verdict = judge(objects, item.metadata, color_names(probabilities), self.options)
        return scored_row(item, prepared.image.sha256, self.detector.name, objects, probabilities, verdict)

    def _probabilities(
        self, image: LoadedImage, found: Detections, kept: Mapping[str, Sequence[int]], needed: Mapping[str, int]
    ) -> dict[str, list[list[float]]]:
        if self.colors is None or not needed:
            return {}
        cutouts = {
            name: [Cutout(found.boxes[i], found.mask(i)) for i in kept[name][:count]] for name, count in needed.items()
        }
        return self.colors.probabilities(image.picture, cutouts)


def kept_indices(found: Detections, tag: str, options: JudgeOptions) -> dict[str, list[int]]:
    """Which detections count, best first, for each class that has any."""
    threshold = options.threshold(tag)
    kept = {
        name: [indices[k] for k in select([found.boxes[i] for i in indices], threshold, options)]
        for name, indices in found.indices().items()
    }
    return {name: indices for name, indices in kept.items() if indices}

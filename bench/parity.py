"""How far a detector agrees with mmdet's own operations on the same weights: ``python -m bench.parity --help``.

Prints a table in Markdown; ``docs/geneval.md`` shows it. Runs where both mmdet and transformers are installed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geneval.detectors import DETECTORS, PRECISIONS, Execution, load_detector
from geneval.detectors.mask2former import Mask2Former, find_instances
from geneval.evaluation import boxes_of, kept_indices
from geneval.judge import JudgeOptions, judge
from geneval.self_test import draw_scene
from geneval.tiny_world import detector
from wire.vocabulary import OBJECT_CLASSES

#: Image sizes (width, height): those of common generators, and one that needs padding.
SIZES = ((256, 256), (512, 512), (1024, 1024), (640, 400))
#: Prompts drawn for each image: most verdicts come out negative, so that many are needed.
PROMPTS_PER_IMAGE = 50


@dataclass
class Difference:
    """The largest differences between two detectors over some images."""

    #: Of class and mask logits, and the largest logits to compare them with.
    classes: float = 0.0
    masks: float = 0.0
    largest_class: float = 0.0
    largest_mask: float = 0.0
    #: Of corners in pixels, of scores, and shares of mask pixels, where both found the same objects.
    boxes: float = 0.0
    scores: float = 0.0
    pixels: list[float] = field(default_factory=list)
    images: int = 0
    #: Images with the same classes in the same order above the threshold.
    same_objects: int = 0
    #: Prompts decided, how many alike, reason included, and how many positively by the first detector.
    verdicts: int = 0
    same_verdicts: int = 0
    correct: int = 0


def compare(reference: Mask2Former, other: Mask2Former, pictures: Iterable[Any]) -> Difference:
    """Run both on each picture (uint8, (height, width, 3), RGB)."""
    total = Difference()
    options, chance = JudgeOptions(), random.Random(0)  # noqa: S311 - which prompts, no secret
    for pixels in pictures:
        outputs = [one.outputs(one.preprocess(pixels)) for one in (reference, other)]
        _compare_logits(total, *outputs)
        found = [find_instances(one, reference.max_per_image, options.confidence_threshold) for one in outputs]
        _compare_detections(total, *found)
        for _ in range(PROMPTS_PER_IMAGE):
            metadata = _prompt(chance)
            kept = [boxes_of(one, kept_indices(one, metadata["tag"], options)) for one in found]
            first, second = (judge(objects, metadata, {}, options) for objects in kept)
            total.verdicts += 1
            total.same_verdicts += first == second
            total.correct += first.correct
    return total


def _compare_logits(total: Difference, a: Any, b: Any) -> None:
    total.images += 1
    total.classes = max(total.classes, float((a.classes - b.classes).abs().max()))
    total.masks = max(total.masks, float((a.masks - b.masks).abs().max()))
    total.largest_class = max(total.largest_class, float(a.classes.abs().max()))
    total.largest_mask = max(total.largest_mask, float(a.masks.abs().max()))


def _compare_detections(total: Difference, a: Any, b: Any) -> None:
    if list(a.labels) != list(b.labels):
        return
    total.same_objects += 1
    for ours, theirs in zip(a.boxes, b.boxes, strict=True):
        total.boxes = max([total.boxes, *(abs(x - y) for x, y in zip(ours[:4], theirs[:4], strict=True))])
        total.scores = max(total.scores, abs(ours.score - theirs.score))
    if a.boxes:
        total.pixels.append(float((a.masks != b.masks).float().mean()))


def _prompt(chance: random.Random) -> dict[str, Any]:
    """A prompt without colors: one object, two, a number of them, or two in a relation."""
    a, b = chance.sample(OBJECT_CLASSES, 2)
    first, second = {"class": a, "count": 1}, {"class": b, "count": 1}
    relation = chance.choice(["left of", "right of", "above", "below"])
    return chance.choice(
        [
            {"tag": "single_object", "include": [first]},
            {"tag": "two_object", "include": [first, second]},
            {"tag": "counting", "include": [first | {"count": 2}], "exclude": [first | {"count": 3}]},
            {"tag": "position", "include": [first, second | {"position": [relation, 0]}]},
        ]
    )


def table(differences: dict[tuple[int, int], Difference]) -> str:
    """The table, in Markdown."""
    lines = [
        "| image | class logits | mask logits | boxes, px | scores | mask pixels | same objects | same verdicts |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (width, height), one in differences.items():
        pixels = f"{sum(one.pixels) / len(one.pixels):.1e}" if one.pixels else "-"
        boxes, scores = (f"{one.boxes:g}", f"{one.scores:.1e}") if one.same_objects else ("-", "-")
        lines.append(
            f"| {width} x {height} | {one.classes:.1e} of {one.largest_class:.0f} "
            f"| {one.masks:.1e} of {one.largest_mask:.0f} | {boxes} | {scores} | {pixels} "
            f"| {one.same_objects} of {one.images} | {one.same_verdicts} of {one.verdicts} ({one.correct} correct) |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the table; the exit code: 1 where a verdict differs."""
    parser = argparse.ArgumentParser("python -m bench.parity", description="compare the two detectors")
    parser.add_argument("--weights", type=Path, help="Mask2Former checkpoint [default: the tiny world's]")
    parser.add_argument("--config", type=Path, help="its mmdet config [default: Swin-S]")
    parser.add_argument("--real-size", action="store_true", help="random weights of the real Swin-S size")
    parser.add_argument("--images", type=int, default=4, help="images of each size [default: 4]")
    parser.add_argument(
        "--detector", choices=tuple(DETECTORS), default="transformers", help="what is compared with mmdet"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of what is compared [default: fp32]")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        weights, config = chosen.weights, chosen.config
        if not weights and chosen.real_size:
            weights, config = detector.write_random_weights(Path(name)), None
        elif not weights:
            detector.write_detector(Path(name))
            weights, config = Path(name) / detector.WEIGHTS, Path(name) / detector.CONFIG
        reference = load_detector("mmdet", weights, config, Execution(chosen.device, "exact"))
        other = load_detector(chosen.detector, weights, config, Execution(chosen.device, chosen.precision))
    differences = {}
    for size in SIZES:
        pictures = (np.asarray(draw_scene(seed, size)) for seed in range(chosen.images))
        differences[size] = compare(reference, other, pictures)
    sys.stdout.write(table(differences) + "\n")
    return int(any(one.same_verdicts < one.verdicts for one in differences.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

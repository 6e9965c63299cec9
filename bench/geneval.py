"""GenEval's speed against the reference flow, on the same images in one run: ``python -m bench.geneval --help``.

The reference flow is written with public interfaces only: ``mmdet.apis.inference_detector`` on one file at a time,
then a ``DataLoader`` with four workers and ``clip_benchmark`` for each color question. Ours is the stage's own code.
Both use the same weights; random ones, so that nothing has to be fetched: their verdicts mean nothing, their cost is
the real one. Runs with the geneval environment's Python, from the top of a clone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geneval.allocator import keep_freed_memory
from geneval.clip import ARCHITECTURE, load_clip
from geneval.color import TEMPLATES, ColorClassifier, ColorOptions, Cutout, show_object
from geneval.detectors import load_detector
from geneval.detectors.checkpoint import read_state
from geneval.evaluation import Evaluator, Prepared
from geneval.judge import Box, JudgeOptions
from geneval.prefetch import prefetch
from geneval.scenes import draw_scene
from geneval.worker import AHEAD
from harness.protocol import Item
from harness.vocabulary import COLORS, OBJECT_CLASSES, TAGS

#: Loader settings of the reference implementation.
WORKERS, BATCH = 4, 16


@dataclass
class Clock:
    """Seconds by part of the work."""

    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time that the block takes."""
        start = time.perf_counter()
        yield
        self.parts[name] += time.perf_counter() - start

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(self.parts.values())

    def told(self) -> str:
        """Each part's share."""
        return ", ".join(f"{name} {seconds / self.total:.0%}" for name, seconds in self.parts.items())


class Reference:
    """One image at a time, as the reference implementation does it."""

    def __init__(self, files: dict[str, Path], config: Path, device: str, folder: Path) -> None:
        import open_clip
        import torch
        from mmdet.apis import init_detector

        weights = folder / "layout_3.pth"  # mmdet's own loader does not convert
        torch.save({"state_dict": read_state(files["mask2former"])}, weights)
        self._detector = init_detector(str(config), str(weights), palette="coco", device=device)
        weights.unlink()
        self._clip = load_clip(files["clip-vit-l-14"]).to(device)
        size = self._clip.visual.image_size
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self._transform = open_clip.image_transform(size, is_train=False, mean=mean, std=std)
        self._tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
        self._classifiers: dict[str, Any] = {}
        self._device = device
        self.clock = Clock()

    def found(self, path: Path, floor: float = 0.3) -> dict[str, list[tuple[Box, Any]]]:
        """Boxes and masks of each class above the threshold, best first."""
        from mmdet.apis import inference_detector

        with self.clock.part("detector"):
            result = inference_detector(self._detector, str(path)).pred_instances
            corners = zip(result.bboxes.tolist(), result.scores.tolist(), strict=True)
            boxes = [Box(*corner, score) for corner, score in corners]
            groups: dict[str, list[tuple[Box, Any]]] = defaultdict(list)
            for index in sorted(range(len(boxes)), key=lambda i: (boxes[i].score, i), reverse=True):
                if boxes[index].score > floor:
                    name = OBJECT_CLASSES[int(result.labels[index])]
                    groups[name].append((boxes[index], result.masks[index].cpu().numpy()))
        return groups

    def color(self, path: Path, name: str, found: tuple[Box, Any]) -> str:
        """The color answer for one object."""
        import torch
        from clip_benchmark.metrics import zeroshot_classification as zero_shot
        from PIL import Image

        if name not in self._classifiers:
            with self.clock.part("text classifiers"):
                templates = [template.format(name=name, color="{c}") for template in TEMPLATES]
                self._classifiers[name] = zero_shot.zero_shot_classifier(
                    self._clip, self._tokenizer, COLORS, templates, self._device
                )
        with self.clock.part("crops"):
            crop = self._transform(show_object(Image.open(path).convert("RGB"), Cutout(*found), ColorOptions()))
            loader = torch.utils.data.DataLoader([(crop, 0)], batch_size=BATCH, num_workers=WORKERS)
            logits, _ = zero_shot.run_classification(self._clip, self._classifiers[name], loader, self._device)
        return COLORS[int(logits.argmax(1))]


def reference_flow(reference: Reference, paths: Sequence[Path]) -> tuple[list[Item], list[dict[str, Any]]]:
    """Run it; also makes each image's prompt, in the suite's mix of tags, from what is seen on it."""
    items, seen = [], []
    for index, path in enumerate(paths):
        found = reference.found(path)
        item = Item(path.name, index, 0, _prompt(TAGS[index % len(TAGS)], list(found)))
        asked = [clause["class"] for clause in item.metadata["include"] if "color" in clause]
        answers = {name: reference.color(path, name, found[name][0]) for name in asked if name in found}
        boxes = {name: [box for box, _ in group] for name, group in found.items()}
        items.append(item)
        seen.append({"boxes": boxes, "colors": answers})
    return items, seen


def _prompt(tag: str, names: list[str]) -> dict[str, Any]:
    names = [*names, "dog", "cat"][:2]
    color = {"color": "red"} if tag in ("colors", "color_attr") else {}
    count = 2 if tag in ("two_object", "position", "color_attr") else 1
    include: list[dict[str, Any]] = [{"class": name, "count": 1, **color} for name in names[:count]]
    if tag == "position":
        include[1]["position"] = ["left of", 0]
    # The counting threshold is left out, so that what both flows kept can be compared.
    return {"tag": "single_object" if tag == "counting" else tag, "include": include, "prompt": tag}


def our_flow(evaluator: Evaluator, items: Sequence[Item], clock: Clock) -> list[dict[str, Any]]:
    """The stage's own loop; its parts are timed by wrapping the detector and the color classifier."""
    start = time.perf_counter()
    rows = [evaluator.evaluate(prepared) for prepared in prefetch(evaluator.prepare, items, AHEAD)]
    clock.parts["rest"] = time.perf_counter() - start - clock.total
    return rows


def _timed(evaluator: Evaluator, clock: Clock) -> None:
    """Measure network, post-processing and colors apart."""
    from geneval.detectors import mask2former

    detector, colors = evaluator.detector, evaluator.colors
    for owner, name, part in (
        (detector, "outputs", "network"),
        (mask2former, "find_instances", "post-processing"),
        (colors, "_make_classifier", "text classifiers"),
        (colors, "encode", "crops"),
    ):
        setattr(owner, name, _measured(getattr(owner, name), clock, part))


def _measured(function: Any, clock: Clock, part: str) -> Any:
    def run(*arguments: Any) -> Any:
        with clock.part(part):
            return function(*arguments)

    return run


def differences(rows: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]]) -> tuple[float, int, int]:
    """Largest difference of boxes and scores, color answers that agree, and color answers."""
    largest, same, asked = 0.0, 0, 0
    for row, theirs in zip(rows, seen, strict=True):
        details = json.loads(row["details"])
        if details.keys() != theirs["boxes"].keys():
            return float("inf"), same, asked
        for name, boxes in details.items():
            pairs = zip(boxes, theirs["boxes"][name], strict=True)
            largest = max(largest, *(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)))
        for name, answer in theirs["colors"].items():
            ours = row["colors"][name][0]
            asked += 1
            same += COLORS[ours.index(max(ours))] == answer
    return largest, same, asked


def _write_model(folder: Path, real_size: bool) -> tuple[dict[str, Path], Path]:
    """Random weights, and the detector's config."""
    from geneval.detectors.mmdet_mask2former import shipped_config
    from geneval.random_weights import write_random_clip, write_random_weights
    from geneval.tiny_world import clip, detector

    if real_size:
        return {
            "mask2former": write_random_weights(folder),
            "clip-vit-l-14": write_random_clip(folder),
        }, shipped_config()
    detector.write_detector(folder)
    clip.write_clip(folder)
    files = {"mask2former": folder / detector.WEIGHTS, "clip-vit-l-14": folder / clip.FILE}
    return files, folder / detector.CONFIG


def main(arguments: Sequence[str]) -> int:
    """Measure and print a line for each flow and one that compares them; the exit code: 1 where results differ."""
    parser = argparse.ArgumentParser("python -m bench.geneval", description=__doc__.split("\n")[0])
    parser.add_argument("--real-size", action="store_true", help="Swin-S and ViT-L/14; else the tiny world")
    parser.add_argument("--images", type=int, default=12, help="a multiple of six is the suite's mix [default: 12]")
    parser.add_argument("--size", type=int, default=512, help="side of the images, pixels [default: 512]")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        return _measure(chosen, Path(name))


def _measure(chosen: argparse.Namespace, folder: Path) -> int:
    paths = [folder / f"{index}.png" for index in range(chosen.images)]
    for index, path in enumerate(paths):
        draw_scene(index, (chosen.size, chosen.size)).save(path)
    files, config = _write_model(folder, chosen.real_size)

    reference = Reference(files, config, chosen.device, folder)
    reference.found(paths[0])  # first calls are slow
    reference.clock.parts.clear()
    items, seen = reference_flow(reference, paths)
    theirs = reference.clock
    del reference

    keep_freed_memory()
    detector = load_detector("mmdet", files["mask2former"], config, chosen.device)
    colors = ColorClassifier(files["clip-vit-l-14"], chosen.device, ColorOptions())
    evaluator = Evaluator(folder, detector, colors, JudgeOptions(max_objects=1000))
    first = evaluator.prepare(items[0])
    assert isinstance(first, Prepared)  # noqa: S101 - drawn above
    detector.detect(first.network_input)
    ours = Clock()
    _timed(evaluator, ours)
    rows = our_flow(evaluator, items, ours)
    return _report(chosen, theirs, ours, differences(rows, seen))


def _report(chosen: argparse.Namespace, theirs: Clock, ours: Clock, found: tuple[float, int, int]) -> int:
    largest, same, asked = found
    model = "Swin-S, ViT-L/14" if chosen.real_size else "tiny world"
    print(f"{chosen.images} images of {chosen.size} px, {model}, {chosen.device}")  # noqa: T201
    for name, clock in (("reference", theirs), ("ours", ours)):
        print(f"{name:<10}{chosen.images / clock.total:8.3f} images/s  {clock.told()}")  # noqa: T201
    post = ours.parts["network"] + ours.parts["post-processing"]
    print(f"ratio     {theirs.total / ours.total:8.2f}  detector alone {theirs.parts['detector'] / post:.2f}")  # noqa: T201
    print(f"largest difference of boxes and scores {largest:g}; {same} of {asked} color answers agree")  # noqa: T201
    return int(largest > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

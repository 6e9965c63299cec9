"""GenEval's reference flow, one image at a time, written with public interfaces only.

``mmdet.apis.inference_detector`` on one file, then a ``DataLoader`` with four workers and ``clip_benchmark`` for each
color question.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geneval.color import ARCHITECTURE, TEMPLATES, ColorOptions, Cutout, load_clip, show_object
from geneval.detectors.checkpoint import read_state
from geneval.detectors.mmdet_mask2former import choose_deformable_attention
from geneval.judge import Box
from wire.pictures import read_picture
from wire.protocol import Item
from wire.vocabulary import COLORS, OBJECT_CLASSES, TAGS

#: Loader settings of the reference implementation.
WORKERS, BATCH = 4, 16


@dataclass
class Clock:
    """Seconds by part of the work; and of this process's processors, which neighbours' work moves less."""

    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    processors: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time that the block takes."""
        start, used = time.perf_counter(), time.process_time()
        yield
        self.parts[name] += time.perf_counter() - start
        self.processors[name] += time.process_time() - used

    def clear(self) -> None:
        """Forget all."""
        self.parts.clear()
        self.processors.clear()

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

        choose_deformable_attention(device)  # mmcv-lite fails on a GPU otherwise
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

        if name not in self._classifiers:
            with self.clock.part("text classifiers"):
                templates = [template.format(name=name, color="{c}") for template in TEMPLATES]
                self._classifiers[name] = zero_shot.zero_shot_classifier(
                    self._clip, self._tokenizer, COLORS, templates, self._device
                )
        with self.clock.part("crops"):
            picture = read_picture(path.read_bytes(), lambda picture: picture.convert("RGB"))
            crop = self._transform(show_object(picture, Cutout(*found), ColorOptions()))
            loader = torch.utils.data.DataLoader([(crop, 0)], batch_size=BATCH, num_workers=WORKERS)
            logits, _ = zero_shot.run_classification(self._clip, self._classifiers[name], loader, self._device)
        return COLORS[int(logits.argmax(1))]


def reference_flow(
    reference: Reference, paths: Sequence[Path], tags: Sequence[str] = TAGS
) -> tuple[list[Item], list[dict[str, Any]]]:
    """Run it; also makes each image's prompt, of the tags in turn, from what is seen on it."""
    items, seen = [], []
    for index, path in enumerate(paths):
        found = reference.found(path)
        item = Item(path.name, index, 0, _prompt(tags[index % len(tags)], list(found)))
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

"""GenEval's speed against the reference flow, on the same images in one run: ``python -m bench.geneval --help``.

The reference flow is :mod:`bench.geneval_reference`; ours is the stage's own code. Both use the same weights; random
ones, so that nothing has to be fetched: their verdicts mean nothing, their cost is the real one. The floor is what the
matrix products and convolutions alone would take at the rate of a large matrix product on this device. Runs with the
geneval environment's Python, from the top of a clone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.geneval_reference import Clock, Reference, reference_flow
from geneval.color import ColorClassifier, ColorOptions
from geneval.detectors import DETECTORS, PRECISIONS, Execution, load_detector
from geneval.evaluation import Evaluator, Prepared
from geneval.flops import color_flops, detector_flops
from geneval.judge import JudgeOptions, judge
from geneval.self_test import draw_scene
from geneval.worker import judged
from wire.allocator import keep_freed_memory
from wire.protocol import Item
from wire.vocabulary import COLORS, TAGS

#: Side of the matrices whose product is the device's rate, and how often it is taken.
SIDE, TIMES = 3072, 3
OPTIONS = JudgeOptions(max_objects=1000)


@dataclass
class Agreement:
    """How far both flows see the same.

    Attributes:
        images: how many.
        same_objects: images with the same classes as often.
        boxes, scores: largest difference in those, of corners in pixels and of scores.
        same_verdicts: reason included.
        colors, same_colors: color answers that both gave, and how many agree.
    """

    images: int = 0
    same_objects: int = 0
    boxes: float = 0.0
    scores: float = 0.0
    same_verdicts: int = 0
    colors: int = 0
    same_colors: int = 0

    def told(self) -> str:
        """One line."""
        return (
            f"same objects in {self.same_objects} of {self.images} images, there boxes within {self.boxes:g} px, "
            f"scores within {self.scores:.1e}; {self.same_verdicts} verdicts and "
            f"{self.same_colors} of {self.colors} color answers agree"
        )


def our_flow(evaluator: Evaluator, items: Sequence[Item], execution: Execution, clock: Clock) -> list[dict[str, Any]]:
    """The stage's own loop; its parts are timed by wrapping the detector and the color classifier."""
    start, used = time.perf_counter(), time.process_time()
    before, used_before = clock.total, sum(clock.processors.values())
    step = execution.batch_size
    batches = [items[first : first + step] for first in range(0, len(items), step)]
    rows = [row for rows in judged(evaluator, batches, execution.device) for row in rows]
    clock.parts["rest"] += time.perf_counter() - start - (clock.total - before)
    clock.processors["rest"] += time.process_time() - used - (sum(clock.processors.values()) - used_before)
    return rows


def _timed(evaluator: Evaluator, clock: Clock) -> None:
    """Measure network, post-processing and colors apart."""
    from geneval.detectors import mask2former

    detector, colors = evaluator.detector, evaluator.colors
    for owner, name, part in (
        (detector, "forward", "network"),
        (mask2former, "find_instances", "post-processing"),
        (colors, "classifier", "text classifiers"),
        (colors, "encode", "crops"),
    ):
        setattr(owner, name, _measured(getattr(owner, name), clock, part))


def _measured(function: Any, clock: Clock, part: str) -> Any:
    def run(*arguments: Any) -> Any:
        with clock.part(part):
            return function(*arguments)

    return run


def agreement(rows: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]]) -> Agreement:
    """Compare our rows with what the reference flow saw."""
    found = Agreement()
    for row, theirs in zip(rows, seen, strict=True):
        found.images += 1
        metadata = json.loads(row["metadata"])
        answers = {name: [answer] for name, answer in theirs["colors"].items()}
        verdict = judge(theirs["boxes"], metadata, answers, OPTIONS)
        found.same_verdicts += (row["correct"], row["reason"]) == (verdict.correct, verdict.reason)
        _compare_boxes(found, json.loads(row["details"]), theirs["boxes"])
        for name in set(answers) & set(row["colors"]):
            ours = row["colors"][name][0]
            found.colors += 1
            found.same_colors += COLORS[ours.index(max(ours))] == answers[name][0]
    return found


def _compare_boxes(found: Agreement, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    if {name: len(boxes) for name, boxes in ours.items()} != {name: len(boxes) for name, boxes in theirs.items()}:
        return
    found.same_objects += 1
    for name, boxes in ours.items():
        for one, other in zip(boxes, theirs[name], strict=True):
            *corners, score = (abs(a - b) for a, b in zip(one, other, strict=True))
            found.boxes, found.scores = max(found.boxes, *corners), max(found.scores, score)


def matrix_rate(execution: Execution) -> float:
    """Operations a second of a large matrix product, in the detector's precision."""
    import torch

    kind = torch.bfloat16 if execution.precision == "bf16" else torch.float32
    a = torch.rand(SIDE, SIDE, device=execution.device, dtype=kind)
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(times)


def _write_model(folder: Path, real_size: bool) -> tuple[dict[str, Path], Path]:
    """Random weights, and the detector's config."""
    from geneval.detectors.mmdet_mask2former import shipped_config
    from geneval.tiny_world import clip, detector

    if real_size:
        return {
            "mask2former": detector.write_random_weights(folder),
            "clip-vit-l-14": clip.write_random_clip(folder),
        }, shipped_config()
    detector.write_detector(folder)
    clip.write_clip(folder)
    files = {"mask2former": folder / detector.WEIGHTS, "clip-vit-l-14": folder / clip.FILE}
    return files, folder / detector.CONFIG


def main(arguments: Sequence[str]) -> int:
    """Measure and print a line for each flow and those that compare them; the exit code: 1 where results differ."""
    parser = argparse.ArgumentParser("python -m bench.geneval", description=__doc__.split("\n")[0])
    parser.add_argument("--real-size", action="store_true", help="Swin-S and ViT-L/14; else the tiny world")
    parser.add_argument("--images", type=int, default=12, help="a multiple of six is the suite's mix [default: 12]")
    parser.add_argument(
        "--rounds", type=int, default=2, help="turns of each side, over the images in parts [default: 2]"
    )
    parser.add_argument("--size", type=int, default=512, help="side of the images, pixels [default: 512]")
    parser.add_argument("--tags", nargs="+", choices=TAGS, default=TAGS, help="of the prompts, in turn [default: all]")
    parser.add_argument("--detector", choices=tuple(DETECTORS), default="mmdet", help="of our flow [default: mmdet]")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of our detector [default: fp32]")
    parser.add_argument("--batch-size", type=int, default=1, help="of our flow [default: 1]")
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
    execution = Execution(chosen.device, chosen.precision, chosen.batch_size)

    keep_freed_memory()  # as a worker does; of this process, so the reference gains by it too
    reference = Reference(files, config, chosen.device, folder)
    reference.found(paths[0])  # first calls are slow
    reference.clock.clear()
    ours, rate = Clock(), matrix_rate(execution)
    detector = load_detector(chosen.detector, files["mask2former"], config, execution)
    evaluator = _evaluator(detector, files["clip-vit-l-14"], execution, paths[0], ours)
    rows, seen, tags = [], [], len(chosen.tags)
    size = -(-len(paths) // (chosen.rounds * tags)) * tags  # each turn has all tags
    for first in range(0, len(paths), size):
        items, some = reference_flow(reference, paths[first : first + size], chosen.tags)
        rows += our_flow(evaluator, items, execution, ours)
        seen += some
    rate = (rate + matrix_rate(execution)) / 2
    found = agreement(rows, seen)
    _report(chosen, reference.clock, ours, found)
    if chosen.real_size:
        _report_floor(chosen, ours, rate, seen)
    return int(found.same_verdicts < found.images)


def _evaluator(detector: Any, clip: Path, execution: Execution, first: Path, clock: Clock) -> Evaluator:
    together = execution.batch_size if execution.batch_size > 1 else None
    colors = ColorClassifier(clip, execution.device, ColorOptions(), together)
    evaluator = Evaluator(first.parent, detector, colors, OPTIONS)
    prompt = {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a photo of a dog"}
    prepared = evaluator.prepare(Item(first.name, 0, 0, prompt))
    assert isinstance(prepared, Prepared)  # noqa: S101 - drawn above
    detector.detect_batch([prepared.network_input], [0.3])  # first calls are slow
    _timed(evaluator, clock)
    return evaluator


def _report(chosen: argparse.Namespace, theirs: Clock, ours: Clock, found: Agreement) -> None:
    model = "Swin-S, ViT-L/14" if chosen.real_size else "tiny world"
    how = f"{chosen.detector}, {chosen.precision}, batches of {chosen.batch_size}, {chosen.device}"
    say(f"{chosen.images} images of {chosen.size} px, {model}, {how}; {', '.join(chosen.tags)}")
    for name, clock in (("reference", theirs), ("ours", ours)):
        used = sum(clock.processors.values()) / chosen.images
        rate = f"{chosen.images / clock.total:8.3f} images/s, {clock.total:.1f} s, {used:.2f} CPU s an image"
        say(f"{name:<10}{rate}  {clock.told()}")
    pairs = ((theirs.parts, ours.parts), (theirs.processors, ours.processors))
    whole, alone = ([_ratio(*pair, part) for pair in pairs] for part in ((), ("network", "post-processing")))
    say(f"ratio     {whole[0]:8.2f}  detector alone {alone[0]:.2f}; in CPU seconds {whole[1]:.2f} and {alone[1]:.2f}")
    say(found.told())


def _ratio(theirs: dict[str, float], ours: dict[str, float], parts: tuple[str, ...]) -> float:
    """Of all parts, or of the reference's detector to ours."""
    if not parts:
        return sum(theirs.values()) / sum(ours.values())
    return theirs["detector"] / sum(ours[part] for part in parts)


def _report_floor(chosen: argparse.Namespace, ours: Clock, rate: float, seen: Sequence[dict[str, Any]]) -> None:
    asked = [name for one in seen for name in one["colors"]]
    detector = chosen.images * detector_flops(chosen.size, chosen.size)
    colors = color_flops(len(asked), len(set(asked)))
    say(f"floor     at {rate / 1e9:.0f} GFLOP/s, the rate of {SIDE} x {SIDE} matrices before and after ours")
    for name, operations, parts in (
        ("detector", detector, ("network", "post-processing")),
        ("colors", colors, ("text classifiers", "crops")),
    ):
        seconds = sum(ours.parts[part] for part in parts)
        floor = operations / rate
        say(f"  {name:<8}{operations / chosen.images / 1e9:8.1f} GFLOP an image: {floor / chosen.images:.2f} s; "
            f"ours {seconds / chosen.images:.2f} s, {floor / seconds:.0%} of the rate")  # fmt: skip


def say(line: str) -> None:
    """To standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Does the detector see, does CLIP tell colors apart: ``python -m geneval.self_test JOB.json``.

The pictures are drawn here. What a working detector makes of a drawing is not known beforehand, so no class is
expected: it must find something, and not the same everywhere. Colors are shown plainly, and how many are named right
is reported; an answer that never changes is a failure. Results are ``warning`` events, a failure ends with exit code 4.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from geneval.color import ColorClassifier, Cutout, Shown
from geneval.judge import Box
from geneval.parameters import Parameters, device_faults_are_fatal
from geneval.rows import check_rows
from geneval.worker import work
from wire.gpus import choose_device
from wire.protocol import EnvironmentFailure, Item, Job, Reporter, read_rows
from wire.vocabulary import COLORS
from wire.worker_process import run_worker

#: Scenes looked at, and their side in pixels: the size of common generators.
SCENES, SIDE = 6, 512
#: A prompt that asks about nothing in particular; the detections are what counts.
PROMPT = {"tag": "single_object", "include": [{"class": "apple", "count": 1}], "prompt": "a photo of an apple"}
#: Probabilities that differ by less are the same answer.
SAME_ANSWER = 1e-6


def self_test(job: Job, reporter: Reporter) -> None:
    """Judge drawn scenes in ``job.run_dir`` with the job's parameters, then name ten plain colors.
    Raises EnvironmentFailure: the detector finds nothing or the same everywhere, or CLIP gives one answer to all
    colors.
    """
    items = write_scenes(Path(job.run_dir))
    work(replace(job, items=items), reporter)
    rows = list(read_rows(Path(job.output)))
    check_rows(rows, enough=len(rows))
    objects = [sum(map(len, json.loads(row["details"]).values())) for row in rows]
    reporter.warning(f"detector: {sum(objects)} objects in {len(rows)} drawn scenes ({', '.join(map(str, objects))})")
    right = count_right(_name_plain_colors(Parameters.parse(job.parameters)))
    reporter.warning(f"colors: {right} of {len(COLORS)} plain colors named right")


def write_scenes(folder: Path) -> list[Item]:
    """Draw the scenes into a run directory."""
    items = [Item(f"{index:05d}/samples/0000.png", index, 0, PROMPT) for index in range(SCENES)]
    for item in items:
        path = folder / item.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_scene(item.prompt_index, (SIDE, SIDE)).save(path)
    return items


def draw_scene(seed: int, size: tuple[int, int]) -> Any:
    """Discs, bars and triangles in plain colors on a shaded ground: a Pillow image, RGB, of (width, height) pixels."""
    from PIL import Image, ImageDraw, ImageFilter

    chance = random.Random(seed)  # noqa: S311 - a picture, no secret

    def color() -> tuple[int, ...]:
        return tuple(chance.randrange(256) for _ in range(3))

    shade = Image.linear_gradient("L").rotate(90 * chance.randrange(4)).resize(size)
    image = Image.composite(*(Image.new("RGB", size, color()) for _ in range(2)), shade)
    pen = ImageDraw.Draw(image)
    for shape in (pen.ellipse, pen.rectangle) * 3:
        x, y = (chance.randrange(side * 3 // 4) for side in size)
        width, height = (chance.randrange(side // 20 + 1, side // 2) for side in size)
        shape((x, y, x + width, y + height), fill=color())
        pen.polygon([(x, y), (x + width // 2, y + height), (x + width, y)], fill=color())
    return image.filter(ImageFilter.GaussianBlur(1))


def _name_plain_colors(settings: Parameters) -> list[list[float]]:
    """The ten probabilities for a plain square of each color, in the order of ``COLORS``."""
    import numpy as np
    from PIL import Image

    device = choose_device(settings.device)
    with device_faults_are_fatal():
        classifier = ColorClassifier(settings.files["clip-vit-l-14"], device, settings.color_options)
        cutout = Cutout(Box(0, 0, SIDE, SIDE, 1.0), np.ones((SIDE, SIDE), bool))
        squares = (Image.new("RGB", (SIDE, SIDE), color) for color in COLORS)
        return [one["book"][0] for one in classifier.probabilities([Shown(one, {"book": [cutout]}) for one in squares])]


def count_right(answers: Sequence[Sequence[float]]) -> int:
    """How many of the answers, given for each of ``COLORS`` in turn, name the color shown.
    Raises EnvironmentFailure: all answers are the same.
    """
    spread = max(max(column) - min(column) for column in zip(*answers, strict=True))
    if not spread > SAME_ANSWER:  # also when they are not numbers
        raise EnvironmentFailure("CLIP gives the same answer to all ten colors: its weights or this device do not work")
    return sum(answer.index(max(answer)) == index for index, answer in enumerate(map(list, answers)))


if __name__ == "__main__":
    run_worker("geneval", self_test)

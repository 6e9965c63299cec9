"""Pictures to judge, drawn from a seed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

Suite = list[dict[str, Any]]

#: A prompt for each tag; of classes that the tiny detector tends to see.
PROMPTS: Suite = [
    {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a photo of a dog"},
    {
        "tag": "two_object",
        "include": [{"class": "bench", "count": 1}, {"class": "vase", "count": 1}],
        "prompt": "a photo of a bench and a vase",
    },
    {
        "tag": "counting",
        "include": [{"class": "toothbrush", "count": 2}],
        "exclude": [{"class": "toothbrush", "count": 3}],
        "prompt": "a photo of two toothbrushes",
    },
    {
        "tag": "colors",
        "include": [{"class": "dog", "count": 1, "color": "red"}],
        "prompt": "a photo of a red dog",
    },
    {
        "tag": "position",
        "include": [
            {"class": "dog", "count": 1},
            {"class": "toothbrush", "count": 1, "position": ["left of", 0]},
        ],
        "prompt": "a photo of a toothbrush left of a dog",
    },
    {
        "tag": "color_attr",
        "include": [
            {"class": "dog", "count": 1, "color": "white"},
            {"class": "toothbrush", "count": 1, "color": "blue"},
        ],
        "prompt": "a photo of a white dog and a blue toothbrush",
    },
]


def draw(seed: int, size: tuple[int, int] = (96, 96)) -> Any:
    """A Pillow image: discs and bars on a plain ground."""
    from PIL import Image, ImageDraw

    chance = random.Random(seed)
    image = Image.new("RGB", size, _color(chance))
    pen = ImageDraw.Draw(image)
    for shape in (pen.ellipse, pen.rectangle) * 3:
        x, y = (chance.randrange(side * 3 // 4) for side in size)
        shape((x, y, x + chance.randrange(4, size[0] // 2), y + chance.randrange(4, size[1] // 2)), fill=_color(chance))
    return image


def _color(chance: random.Random) -> tuple[int, ...]:
    return tuple(chance.randrange(256) for _ in range(3))


def filename(index: int) -> str:
    return f"{index:05}/samples/0000.png"


def write_scenes(run_dir: Path, count: int) -> None:
    """Draw ``count`` images into a run directory."""
    for index in range(count):
        path = run_dir / filename(index)
        path.parent.mkdir(parents=True)
        draw(index).save(path)

"""Pictures drawn from a seed: for the self-test, for comparing detectors and for measuring speed."""

from __future__ import annotations

import random
from typing import Any


def draw_scene(seed: int, size: tuple[int, int]) -> Any:
    """A Pillow image, RGB: discs, bars and triangles in plain colors on a shaded ground.

    Args:
        seed: decides everything.
        size: width and height in pixels.
    """
    from PIL import Image, ImageDraw, ImageFilter

    chance = random.Random(seed)  # noqa: S311 - a picture, no secret
    shade = Image.linear_gradient("L").rotate(90 * chance.randrange(4)).resize(size)
    image = Image.composite(*(Image.new("RGB", size, _color(chance)) for _ in range(2)), shade)
    pen = ImageDraw.Draw(image)
    for shape in (pen.ellipse, pen.rectangle) * 3:
        x, y = (chance.randrange(side * 3 // 4) for side in size)
        width, height = (chance.randrange(side // 20 + 1, side // 2) for side in size)
        shape((x, y, x + width, y + height), fill=_color(chance))
        pen.polygon([(x, y), (x + width // 2, y + height), (x + width, y)], fill=_color(chance))
    return image.filter(ImageFilter.GaussianBlur(1))


def _color(chance: random.Random) -> tuple[int, ...]:
    return tuple(chance.randrange(256) for _ in range(3))

"""The fixed pairs: images drawn by arithmetic, with prompts of every kind. They never change.

And four published images: the ImageReward authors print their scores.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import UserError
from wire.protocol import Item

if TYPE_CHECKING:
    import numpy as np

Painter = Callable[["np.ndarray", "np.ndarray"], "list[np.ndarray]"]

#: (width, height), colors of the pixel at (x, y), prompt.
PAIRS: tuple[tuple[tuple[int, int], Painter, str], ...] = (
    ((256, 256), lambda x, y: [x, y, 255 - x], "a photo of a red dog and a blue cat"),
    ((256, 256), lambda x, y: [(x ^ y) & 255, (x * y) & 255, (x + y) & 255], "a photo of two clocks"),
    ((512, 512), lambda x, y: [255 * ((x // 32 + y // 32) % 2)] * 3, "a chess board seen from above"),
    ((300, 200), lambda x, y: [x * 255 // 300, y * 255 // 200, 128 + 0 * x], "a wide landscape at dawn, oil on canvas"),
    ((200, 301), lambda x, y: [((x - 100) ** 2 + (y - 150) ** 2) // 150 & 255] * 3, "rings on still water " * 30),
    ((224, 224), lambda x, y: [200 + 0 * x, 30 + 0 * x, 30 + 0 * x], "red"),
    ((336, 336), lambda x, y: [(x * x // 97) & 255, (y * y // 89) & 255, (x * y // 83) & 255], "Café à Zürich — ﬁne"),
    ((640, 400), lambda x, y: [255 - y * 255 // 400, x * 255 // 640, (x // 80) * 31], "🐶 a dog, صورة كلب"),
)

#: Published scores of ImageReward v1.0 (github.com/THUDM/ImageReward, README), four decimals, by file name.
PUBLISHED = {"1.webp": 0.5812, "2.webp": 0.2745, "3.webp": -1.4132, "4.webp": -2.0296}
PUBLISHED_PROMPT = "a painting of an ocean with clouds and birds, day time, low depth field effect"
#: What half precision moves an ImageReward score by; the authors do not say what they printed was computed in.
PUBLISHED_TOLERANCE = 3e-2


def write_pairs(folder: Path) -> list[Item]:
    """Draw the images into a folder; each prompt has one."""
    import numpy as np
    from PIL import Image

    items = []
    for index, ((width, height), paint, prompt) in enumerate(PAIRS):
        y, x = np.mgrid[0:height, 0:width]
        pixels = np.stack(paint(x, y), axis=-1).clip(0, 255).astype(np.uint8)
        name = f"{index:05d}.png"
        Image.fromarray(pixels).save(folder / name)
        items.append(_item(folder, name, index, prompt))
    return items


def copy_published(source: Path, folder: Path) -> list[Item]:
    """The four published images, from a folder that holds ``1.webp`` to ``4.webp``.
    Raises UserError: one is missing.
    """
    for name in PUBLISHED:
        if not (source / name).is_file():
            raise UserError(
                f"{source}: no {name}; expected the four images of the ImageReward README, 1.webp to 4.webp"
            )
        shutil.copyfile(source / name, folder / name)
    first = len(PAIRS)
    return [_item(folder, name, first + index, PUBLISHED_PROMPT) for index, name in enumerate(PUBLISHED)]


def _item(folder: Path, name: str, index: int, prompt: str) -> Item:
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return Item(name, index, 0, {"prompt": prompt}, digest)

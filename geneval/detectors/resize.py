"""The size that mmdet's test pipeline brings an image to."""

from __future__ import annotations

from typing import NamedTuple

#: (long, short) of mmdet's Swin-S config: an image is made as large as fits both.
SCALE = (1333, 800)
#: The input's sides are padded to a multiple of this.
DIVISOR = 32


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


def fit(size: Size, scale: tuple[int, int]) -> Size:
    """The largest size of the same shape whose longer side is at most max(scale), the shorter at most min(scale)."""
    factor = min(max(scale) / max(size), min(scale) / min(size))
    return Size(*(int(side * factor + 0.5) for side in size))

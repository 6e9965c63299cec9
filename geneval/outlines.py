"""Masks as COCO's compressed run lengths, and their outlines; encoding needs pycocotools, decoding only numpy."""

from __future__ import annotations

from typing import Any

from wire.protocol import UserError

#: A character carries five bits of a number, and a sixth: that more follow.
_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48


def encode(mask: Any) -> dict[str, Any]:
    """COCO's ``{"size": [height, width], "counts": text}`` of a boolean array (height, width)."""
    import numpy as np
    from pycocotools.mask import encode as compress

    runs = compress(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}


def decode(runs: dict[str, Any]) -> Any:
    """The boolean array (height, width) again.

    Raises:
        UserError: not run lengths of an image of this size.
    """
    import numpy as np

    height, width = runs["size"]
    lengths = _lengths(runs["counts"])
    if sum(lengths) != height * width or min(lengths, default=0) < 0:
        raise UserError(f"a mask's run lengths add up to {sum(lengths)}, not to {height} x {width} pixels")
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def _lengths(counts: str) -> list[int]:
    """Lengths of the runs, outside first, column by column; from the fourth on differences to the last but one."""
    lengths: list[int] = []
    value = shift = 0
    for character in counts:
        code = ord(character) - _FIRST
        value |= (code & (_MORE - 1)) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return lengths

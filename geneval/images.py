"""Pixels: an image file read once, for the detector and the color crops; and masks as COCO's compressed run lengths."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from wire.pictures import UnreadablePicture, read_picture, to_rgb
from wire.protocol import UserError

#: A Pillow image in RGB, turned upright as mmdet's reader turns it.
upright_rgb = partial(to_rgb, turned=True)
#: A character of run lengths carries five bits of a number, and a sixth: that more follow.
_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48


class ImageFault(Exception):
    """Why an image cannot be scored, in one line; ``sha256`` is the file's, None where there is none to read."""

    def __init__(self, reason: str, sha256: str | None) -> None:
        super().__init__(reason)
        self.sha256 = sha256


class LoadedImage(NamedTuple):
    """A decoded image file: the hash of its bytes, and the Pillow image, RGB and upright."""

    sha256: str
    picture: Any

    def pixels(self) -> Any:
        """uint8 array of shape (height, width, 3), channels RGB."""
        import numpy as np

        return np.asarray(self.picture)


def read_image(path: Path, name: str) -> LoadedImage:
    """Read and decode an image file; a fault's reason calls it ``name``, its path within the run.
    Raises ImageFault: the file is missing, unreadable or not an image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageFault(f"{name}: cannot be read ({error.strerror})", None) from error
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return LoadedImage(sha256, read_picture(content, upright_rgb))
    except UnreadablePicture as error:
        raise ImageFault(f"{name}: {str(error).removeprefix('image ')}", sha256) from error


def encode(mask: Any) -> dict[str, Any]:
    """COCO's ``{"size": [height, width], "counts": text}`` of a boolean array (height, width); by pycocotools."""
    import numpy as np
    from pycocotools.mask import encode as compress

    runs = compress(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}


def decode(runs: dict[str, Any]) -> Any:
    """The boolean array (height, width) again; needs numpy alone.
    Raises UserError: not run lengths of an image of this size.
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

"""Reading image files: bytes once, decoded once, every failure a reason without paths or addresses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from wire.pictures import UnreadablePicture, read_picture

#: Longest over shortest edge. Beyond it, resizing the shortest edge to 512 px would make more pixels than Pillow
#: agrees to decode (512 x 512 x 341); 80 (8000 x 100) is still scored.
MAX_EDGE_RATIO = 300
#: Pillow's modes with more than 8 bits and no common range; those of 16 bits have one.
_UNBOUNDED_MODES = ("I", "F")


class UnreadableImage(Exception):
    """Why an image cannot be scored, in the same words on every machine; no ``sha256`` if the file was not read."""

    def __init__(self, reason: str, sha256: str | None = None) -> None:
        super().__init__(reason)
        self.sha256 = sha256


def read_image(path: Path, expected_sha256: str | None) -> tuple[Image.Image, str]:
    """The RGB image in a file, and the digest of the file.

    Any mode becomes RGB by Pillow's conversion, which drops an alpha channel; of 16-bit gray values the high byte is
    kept, as Pillow does for 16-bit colors (its own conversion clips them at 255). Orientation tags are not applied,
    as in the authors' code.

    Raises:
        UnreadableImage: missing, damaged, oversized, without a pixel range, or not the file that the job names.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"image file cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()
    if expected_sha256 not in (None, digest):
        raise UnreadableImage("image file has changed since it was listed", digest)
    return _decode(content, digest), digest


def _decode(content: bytes, digest: str) -> Image.Image:
    try:
        return read_picture(content, _rgb)
    except UnreadablePicture as error:
        raise UnreadableImage(str(error), digest) from error


def _rgb(image: Image.Image) -> Image.Image:
    _check_size(image.size)
    if image.mode in _UNBOUNDED_MODES:
        raise ValueError(f"pixels of mode {image.mode} have no range; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _check_size(size: tuple[int, int]) -> None:
    """Refuse a decompression bomb before it is decoded, at the limit where Pillow only warns."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise ValueError(f"{size[0]} x {size[1]} pixels, more than the limit of {limit}")
    if max(size) > MAX_EDGE_RATIO * min(size):
        raise ValueError(f"{size[0]} x {size[1]} pixels, one edge more than {MAX_EDGE_RATIO} times the other")

"""Reading image files: bytes once, decoded once, every failure a reason without paths or addresses."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from wire.pictures import UnreadablePicture, read_picture, to_rgb

#: Longest over shortest edge. Beyond it, resizing the shortest edge to 512 px would make more pixels than Pillow
#: agrees to decode (512 x 512 x 341); 80 (8000 x 100) is still scored.
MAX_EDGE_RATIO = 300


class UnreadableImage(Exception):
    """Why an image cannot be scored, in the same words on every machine; no ``sha256`` if the file was not read."""

    def __init__(self, reason: str, sha256: str | None = None) -> None:
        super().__init__(reason)
        self.sha256 = sha256


def read_image(path: Path, expected_sha256: str | None) -> tuple[Image.Image, str]:
    """The RGB image in a file, and the digest of the file.

    See :func:`wire.pictures.to_rgb`. Orientation tags are not applied, as in the authors' code.

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
    return to_rgb(image)


def _check_size(size: tuple[int, int]) -> None:
    """Refuse a decompression bomb before it is decoded, at the limit where Pillow only warns."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise ValueError(f"{size[0]} x {size[1]} pixels, more than the limit of {limit}")
    if max(size) > MAX_EDGE_RATIO * min(size):
        raise ValueError(f"{size[0]} x {size[1]} pixels, one edge more than {MAX_EDGE_RATIO} times the other")

"""Reading an image file once: its hash, and its pixels as the detector and the color crops want them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wire.pictures import UnreadablePicture, read_picture, to_rgb


class ImageFault(Exception):
    """An image that cannot be scored.

    Args:
        reason: one line.
        sha256: hash of the file, None where there is none to read.
    """

    def __init__(self, reason: str, sha256: str | None) -> None:
        super().__init__(reason)
        self.sha256 = sha256


@dataclass(frozen=True)
class LoadedImage:
    """A decoded image file.

    Attributes:
        sha256: hash of the file's bytes.
        picture: Pillow image, RGB, turned upright as its EXIF orientation says (see :func:`upright_rgb`).
    """

    sha256: str
    picture: Any

    def pixels(self) -> Any:
        """uint8 array of shape (height, width, 3), channels RGB."""
        import numpy as np

        return np.asarray(self.picture)


def read_image(path: Path, name: str) -> LoadedImage:
    """Read and decode an image file.

    Args:
        path: where it is.
        name: how the reason of a fault calls it: the path within the run.

    Raises:
        ImageFault: the file is missing, unreadable or not an image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageFault(f"{name}: cannot be read ({error.strerror})", None) from error
    sha256 = hashlib.sha256(content).hexdigest()
    return LoadedImage(sha256, _decode(content, name, sha256))


def _decode(content: bytes, name: str, sha256: str) -> Any:
    try:
        return read_picture(content, upright_rgb)
    except UnreadablePicture as error:
        raise ImageFault(f"{name}: {str(error).removeprefix('image ')}", sha256) from error


def upright_rgb(picture: Any) -> Any:
    """A Pillow image in RGB, turned as mmdet's reader turns it; see :func:`wire.pictures.to_rgb`."""
    return to_rgb(picture, turned=True)

"""Reading an image file once: its hash, and its pixels as the detector and the color crops want them."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        picture: Pillow image, RGB, turned upright as its EXIF orientation says.
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
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except Image.UnidentifiedImageError as error:  # its own text shows a memory address
        raise ImageFault(f"{name}: not an image file", sha256) from error
    # Pillow's decoders raise all of these on damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ImageFault(f"{name}: cannot be decoded ({error})", sha256) from error

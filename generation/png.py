"""Images as PNG files: whole or absent, with their origin written inside."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from wire.files import replacing


def encode_png(pixels: Any, texts: dict[str, str]) -> bytes:
    """A PNG of ``pixels`` with a text chunk for each entry of ``texts``; the same input gives the same bytes.

    Args:
        pixels: uint8 array of shape (height, width, 3), RGB.
        texts: chunk keyword (Latin-1, at most 79 characters) to value (any text).
    """
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for keyword, value in texts.items():
        chunks.add_text(keyword, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def write_png(path: Path, pixels: Any, texts: dict[str, str]) -> str:
    """Encode and write under a temporary name, then rename: nobody ever sees half a file. Returns its sha256."""
    content = encode_png(pixels, texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()

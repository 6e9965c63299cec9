"""Images that are none: a decoder whose numbers ran over, and pictures of a single color."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wire.protocol import UserError


@contextmanager
def finite_decoding(vae: Any, message: str) -> Iterator[None]:
    """Look at what a VAE's decoder gives before it is cut to 0..255, where NaN becomes black, infinity black or white.

    Args:
        vae: of any kind; without a decoder that can be watched nothing is done.
        message: of the error.

    Raises:
        UserError: a number is not finite.
    """
    import torch

    def check(_module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and not bool(torch.isfinite(output).all()):
            raise UserError(message)

    decoder = getattr(vae, "decoder", None)
    handle = decoder.register_forward_hook(check) if isinstance(decoder, torch.nn.Module) else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


class Constant:
    """Counts the images that are of one color throughout."""

    def __init__(self) -> None:
        self._count = 0
        self._first = ""

    def look(self, name: str, image: Any) -> None:
        """Take note of an image, (height, width, 3)."""
        if (image == image[:1, :1]).all():
            self._count += 1
            self._first = self._first or name

    def warning(self, total: int) -> str:
        """A line about those found among ``total``; empty where there are none."""
        if not self._count:
            return ""
        return (
            f"{self._count} of {total} images are of a single color (the first: {self._first}): "
            "the model, its precision or its guidance may be at fault"
        )

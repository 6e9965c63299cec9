"""What happens when a batch does not fit into memory: the same rows in equal parts, and a word about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from wire.errors import EnvironmentFailure

if TYPE_CHECKING:
    from torch import Tensor

#: What the CPU's allocators say; a GPU's has an exception of its own.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


class Parts:
    """Computes rows in one piece, or in equal parts once a piece has proved too large.

    A forward pass of another shape may round differently: scores of parts can differ from those of whole batches
    in their last bits. All parts of a run have one shape, the last filled up with a repeated row.

    Args:
        what: name in messages.
        size: rows of a whole piece.
        fits: rows that are expected to fit; the first attempt has so many.
    """

    def __init__(self, what: str, size: int, warn: Callable[[str], object], fits: int | None = None) -> None:
        self._what = what
        self._warn = warn
        self._whole = size
        self._size = size if fits is None else fits
        if self.halved:
            self._tell(f"{size} at a time would not fit into free memory, beginning with {fits}")

    @property
    def halved(self) -> bool:
        """Whether a whole piece did not fit, or was not expected to."""
        return self._size < self._whole

    def __call__(self, compute: Callable[[Sequence[int]], Tensor]) -> Tensor:
        """The result for every row of a whole piece, (size, ...); ``compute`` makes rows from their numbers.

        Raises:
            EnvironmentFailure: a single row does not fit.
        """
        while True:
            try:
                return torch.cat([compute(rows) for rows in self._cut()])[: self._whole]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._halve()  # out here, where the exception no longer holds the tensors of the failed pass

    def _cut(self) -> list[list[int]]:
        padded = [min(row, self._whole - 1) for row in range(-(-self._whole // self._size) * self._size)]
        return [padded[start : start + self._size] for start in range(0, len(padded), self._size)]

    def _halve(self) -> None:
        if self._size == 1:
            raise EnvironmentFailure(
                f"{self._what}: out of memory with a single pair; free the device, use one with more memory, "
                "or --reward-precision fast"
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        before, self._size = self._size, -(-self._size // 2)
        self._tell(f"{before} at a time do not fit into memory, going on with {self._size}")

    def _tell(self, what: str) -> None:
        self._warn(f"{self._what}: {what}; the last bits of its scores may differ from those of whole batches")

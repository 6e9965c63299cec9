"""Memory: what is free, how much models and their batches need, and what happens when it runs out.

Imported with every scorer's card, so torch is imported only where something is computed.

A batch that is too large is halved when it fails (:class:`Parts`); but on a CPU it does not fail, the system kills the
process: so the first guess is made beforehand (:func:`rows_that_fit`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wire.errors import EnvironmentFailure
from wire.host import memory

if TYPE_CHECKING:
    from rewards.hub import LocalWeight

#: A model may need twice its files' size (half precision on disk, float32 in memory).
GROWTH = 2
#: Bytes left for activations, images and the rest of the machine.
RESERVE = 2 * 1024**3
#: What a forward pass may take of the free memory: other processes, images and allocators need some too.
SHARE = 0.5
#: Bytes of weights below which a model is not of the published size, and needs no thought.
SMALL = 256 * 1024**2
#: What the CPU's allocators say; a GPU's has an exception of its own.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


def free_memory(device: str) -> int:
    """Bytes that models may still take on a device; on the CPU, what the machine has and the job is allowed."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return memory()


def estimate(weights: Sequence[LocalWeight]) -> int:
    """Bytes that loading a model may take."""
    return GROWTH * sum(weight.size for weight in weights) + RESERVE


def require_memory(weights: Sequence[LocalWeight]) -> None:
    """See that this machine's memory, not the GPU's, holds the model and the largest of its files while it is loaded.
    Raises EnvironmentFailure: it does not; the system would end the process.
    """
    sizes = [weight.size for weight in weights]
    needed, free = sum(sizes) + max(sizes), memory()
    if needed > free:
        raise EnvironmentFailure(
            f"its model takes {needed / 1e9:.0f} GB of this machine's memory while it is loaded, and {free / 1e9:.0f} "
            "are free; use a machine (or a job, --slurm-arg mem=...) with more, or leave this metric out with --metric"
        )


@dataclass(frozen=True)
class Network:
    """The layer that needs most, of the network that needs most."""

    tokens: int  #: length of the sequence
    width: int  #: of the residual stream
    hidden: int  #: width of all that a feed-forward holds at once
    heads: int  #: of attention, whose weights (tokens x tokens each) are written out

    def bytes_per_pair(self, size: int) -> int:
        """Upper bound of what one pair's layer holds, with numbers of ``size`` bytes.

        Attention weights are there once as they come, and twice in float32, around the softmax.
        """
        streams = self.tokens * (6 * self.width + self.hidden) * size
        return streams + self.heads * self.tokens**2 * (size + 8)


#: CLIP's image towers, ViT-H/14 and ViT-L/14 (or /16) at 224 px.
VIT_H = Network(257, 1280, 2 * 5120, 16)
VIT_L = Network(257, 1024, 2 * 4096, 16)


def bytes_per_pair(network: Network | None, dtype: str, weights: int) -> int:
    """Bytes that one pair takes beside the ``weights``; 0 where unknown: without a network, and for small stand-ins."""
    if network is None or weights < SMALL:
        return 0
    return network.bytes_per_pair(4 if dtype == "float32" else 2)


def rows_that_fit(size: int, per_row: int, free: int) -> int:
    """``size`` rows, or the first half, quarter ... that fits into a share of ``free`` bytes; at least one."""
    while size > 1 and size * per_row > SHARE * free:
        size = -(-size // 2)
    return size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out, on whatever device."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


class Parts:
    """Computes rows in one piece, or in equal parts once a piece has proved too large.

    A forward pass of another shape may round differently: scores of parts can differ from those of whole batches
    in their last bits. All parts of a run have one shape, the last filled up with a repeated row.
    ``what``: name in messages.
    ``size``: rows of a whole piece.
    ``fits``: rows that are expected to fit; the first attempt has so many.
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

    def __call__(self, compute: Callable[[Sequence[int]], Any], join: Callable[[list[Any]], Any] | None = None) -> Any:
        """The result for every row of a whole piece, (size, ...); ``compute`` makes rows from their numbers.
        ``join``: puts parts together; without it they are tensors.
        Raises EnvironmentFailure: a single row does not fit.
        """
        joined = join or importlib.import_module("torch").cat
        while True:
            filled = -(-self._whole // self._size) * self._size
            rows = [min(row, self._whole - 1) for row in range(filled)]
            cut = [rows[start : start + self._size] for start in range(0, filled, self._size)]
            try:
                return joined([compute(part) for part in cut])[: self._whole]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._halve()  # out here, where the exception no longer holds the tensors of the failed pass

    def _halve(self) -> None:
        if self._size == 1:
            raise EnvironmentFailure(
                f"{self._what}: out of memory with a single pair; free the device, use one with more memory, "
                "or --reward-precision fast"
            )
        if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
            torch.cuda.empty_cache()
        before, self._size = self._size, -(-self._size // 2)
        self._tell(f"{before} at a time do not fit into memory, going on with {self._size}")

    def _tell(self, what: str) -> None:
        self._warn(f"{self._what}: {what}; the last bits of its scores may differ from those of whole batches")

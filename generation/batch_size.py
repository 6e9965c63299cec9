"""``--batch-size auto``: as large as memory allows, found once, then kept for the whole run.

A run has one batch shape, because the shape decides the last bits of its images. So the size is found before the first
image is made: from the free memory, and by making one batch of that size, halved until it fits. It is written down in
the run directory, where the workers of other shards, and whoever goes on with the run later, find it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from generation.backends import Backend, OutOfMemory
from generation.batches import Batch
from generation.settings import UPSTREAM_BATCH
from wire.protocol import Item, UserError

#: Beyond this many images there is nothing to gain: one step of 64 takes 22 TFLOP (:mod:`generation.flops`), 22 ms of
#: an H100's bf16 peak, against some 1,400 kernel launches of a few microseconds each.
LARGEST = 64
#: On a CPU, which gains nothing from more.
ON_CPU = UPSTREAM_BATCH
#: Part of the free memory that is taken: the rest is for what the allocator cannot use.
SHARE = 0.8


def agreed_size(path: Path, find: Callable[[], int]) -> int:
    """The size written in ``path``, whose folder is there; the first worker finds it, and the others wait for that.
    Raises UserError: the file holds something else.
    """
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read().strip()
        if not text:
            text = str(find())
            file.write(text)
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{path}: expected a batch size, found {text[:40]!r}; delete it if no image is made yet")
    return int(text)


def find_size(backend: Backend, item: Item) -> int:
    """The largest power of two that fits, by trial. Raises OutOfMemory: not even one image fits."""
    size = first_guess(backend, item)
    while True:
        try:
            backend.probe(Batch((item,), (0,), size))
        except OutOfMemory:  # noqa: PERF203 - by trial
            if size == 1:
                raise
            size //= 2
        else:
            return size


def first_guess(backend: Backend, item: Item) -> int:
    """What the free memory should hold, from what the second image of a batch takes; on a CPU a fixed size.
    Raises OutOfMemory: not even one image fits.
    """
    import torch

    gpu = backend.gpu
    if gpu is None or not torch.cuda.is_available():
        return ON_CPU
    peaks = []
    for size in (1, 2):
        torch.cuda.reset_peak_memory_stats(gpu)
        try:
            backend.probe(Batch((item,), (0,), size))
        except OutOfMemory:
            if size == 1:
                raise
            return 1
        peaks.append(torch.cuda.max_memory_allocated(gpu))
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info(gpu)[0]
    return fitting(free, peaks[0] - torch.cuda.memory_allocated(gpu), peaks[1] - peaks[0])


def fitting(free: int, first: int, further: int) -> int:
    """The largest power of two, at most :data:`LARGEST`, of images that :data:`SHARE` of the free memory holds.

    All are bytes: ``first`` is what a batch of one image takes for a while, ``further`` what each further image adds.
    """
    images = 1 + (SHARE * free - first) // max(further, 1)
    return 2 ** (int(max(1, min(images, LARGEST))).bit_length() - 1)

"""How a worker's C library treats freed memory. Standard library only: imported on the workers' side.

glibc takes each large block from the system and gives it back when it is freed. A network's activations are such
blocks: for every layer the system is asked for pages and clears them, which took a sixth of the CPU time of a ViT-H's
layers (bench/RESULTS.md).
"""

from __future__ import annotations

import ctypes

#: glibc's names for its settings (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for the next block; False where it is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def return_freed_memory() -> bool:
    """Give back what is kept, after a model is loaded or let go of; False where nothing was, or it is not glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(ctypes.c_size_t(0)))

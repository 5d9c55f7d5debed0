"""Freed memory stays with the process.

A training step allocates and frees the same hundreds of tensors again and again. The C library gives the top of its
heap back to the system after every step, and the next one pays for every page of it anew: up to a quarter of a step
(benchmarks/log.md).
"""

import ctypes

# Of mallopt(3): the parameters' numbers in glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
LARGEST_HEAP_BLOCK = 32 << 20  # the most that glibc allows


def keep_memory() -> bool:
    """Keep what is freed, until the process ends; False where the C library is none that can be told so."""
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not Linux, or musl, or Windows, which has no such name
        return False
    settings = ((MMAP_THRESHOLD, LARGEST_HEAP_BLOCK), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 64 << 20))
    return all(tell(name, value) == 1 for name, value in settings)

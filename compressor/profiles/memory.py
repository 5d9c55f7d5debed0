"""Memory that this process can still get: what the machine has free, at most what its control groups leave.

    left of a group = limit - (usage - file pages that the kernel gives back on demand)

A container is killed at its group's limit, however much the machine has free. Where it is not killed, too little
memory shows as errors of many forms.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from compressor.errors import causes
from compressor.profiles.cgroup import levels, words

# (limit, usage, reclaimable pages in memory.stat), version 2 and version 1
_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)

# torch (on Linux, elsewhere, on a GPU), the C++ library, ONNX Runtime, and the last words of another Python.
_NO_MEMORY_TEXTS = (
    *("can't allocate memory", "not enough memory: you tried", "CUDA out of memory", "bad_alloc"),
    *("Failed to allocate memory", "MemoryError", os.strerror(errno.ENOMEM)),
)


def available_memory(root: Path = Path("/"), *, free: int | None = None) -> int:
    """Bytes that can be allocated without swapping or being killed.

    Args:
        root: The file system's root; tests give a tree of their own.
        free: Bytes that the machine has available; None asks the system.
    """
    machine = psutil.virtual_memory().available if free is None else free
    return max(0, min((machine, *_left_in_groups(root))))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether too little memory is what raised an error, or what caused that one."""
    return any(
        isinstance(link, MemoryError)
        or (isinstance(link, OSError) and link.errno == errno.ENOMEM)
        or any(text in str(link) for text in _NO_MEMORY_TEXTS)
        for link in causes(error)
    )


def _left_in_groups(root: Path) -> Iterator[int]:
    for level in levels(root, "memory"):
        for limit_file, usage_file, reclaimable in _FILES:
            limit, usage = words(level / limit_file), words(level / usage_file)
            if limit and usage and limit[0].isdigit() and usage[0].isdigit():  # "max" is no limit
                yield int(limit[0]) - int(usage[0]) + _statistic(level / "memory.stat", reclaimable)


def _statistic(path: Path, name: str) -> int:
    fields = words(path)
    pairs = dict(zip(fields[::2], fields[1::2], strict=False))
    return int(pairs.get(name, "0"))

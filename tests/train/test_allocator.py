"""Memory that is freed stays with a process that asked for it."""

import ctypes
import subprocess
import sys

import pytest

from compressor.train import allocator

FREED = """
import sys
import psutil
from compressor.train.allocator import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
own = psutil.Process()
before = own.memory_info().rss
blocks = [bytearray(b"x" * 65_536) for _ in range(2_000)]
held = own.memory_info().rss - before
del blocks
print((own.memory_info().rss - before) / held)
"""


def left(word: str) -> float:
    """Share of freed memory that a new process still holds."""
    run = subprocess.run([sys.executable, "-c", FREED, word], capture_output=True, text=True, check=True)
    return float(run.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_freed_memory_is_kept() -> None:
    assert left("keep") > 0.9
    assert left("give back") < 0.5


def test_a_c_library_without_the_call_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_memory()

"""Waiting for a quiet machine: a row that is measured while neighbours hold the cache says nothing of the code."""

import json
import time

from benchmarks.harness import ROWS
from compressor.profiles import fingerprint
from compressor.runtimes.local import LocalDevice

QUIET_FACTOR = 1.6  # of the fastest that the memory yardstick was ever seen on this machine
PATIENCE_SECONDS, LOOK_SECONDS, LOOKS = 4.0, 2.0, 5


def wait_until_quiet(*, patience: float = PATIENCE_SECONDS) -> dict[str, float]:
    """Wait until the memory yardstick is near its best, at most for `patience` seconds.

    Returns:
        Seconds waited, and the yardstick over its best when the wait ended.
    """
    begin = time.monotonic()
    while True:
        now, best = _look()
        waited = time.monotonic() - begin
        if now <= QUIET_FACTOR * best or waited >= patience:
            return {"waited_seconds": round(waited, 1), "memory_over_best": round(now / best, 2)}
        time.sleep(LOOK_SECONDS)


def _look() -> tuple[float, float]:
    """Milliseconds of the memory yardstick, the median of some, and the lowest that is known of this machine."""
    device, times = LocalDevice(), []
    for _ in range(LOOKS):
        device.memory_yardstick()
        begin = device.clock()
        device.memory_yardstick()
        times.append((device.clock() - begin) / 1e6)
        time.sleep(0.02)
    now = sorted(times)[LOOKS // 2]
    path, key = ROWS / "quiet.json", fingerprint().key
    known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    best = min(now, known.get(key, now))
    ROWS.mkdir(exist_ok=True)
    path.write_text(json.dumps({**known, key: best}), encoding="utf-8")
    return now, best

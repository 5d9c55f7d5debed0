"""Size of the processor's largest cache, which decides when a model's weights come from main memory."""

from pathlib import Path

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
UNKNOWN_BYTES = 32 * 2**20  # where the system does not say: more than most have, and evicting too much does no harm


def last_level_cache_bytes(root: Path = Path("/")) -> int:
    """Bytes of the largest cache of the first processor; `UNKNOWN_BYTES` where the system does not say.

    Args:
        root: The file system's root, for what is read from /sys.
    """
    files = (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    return max((size for file in files if (size := _bytes(file))), default=UNKNOWN_BYTES)


def _bytes(file: Path) -> int:
    """`32768K` -> 33554432; 0 where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8").strip()
        return int(text[:-1]) * _UNITS[text[-1:]]
    except (OSError, ValueError, KeyError):
        return 0

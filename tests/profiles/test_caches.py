"""The size of the last cache, from trees like those of /sys."""

from pathlib import Path

import pytest

from compressor.profiles import last_level_cache_bytes
from compressor.profiles.caches import UNKNOWN_BYTES


def tree(root: Path, sizes: list[str]) -> Path:
    for index, size in enumerate(sizes):
        folder = root / f"sys/devices/system/cpu/cpu0/cache/index{index}"
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size}\n", encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (["32K", "32K", "1024K", "32768K"], 32 * 2**20),
        (["64K", "2M"], 2 * 2**20),
        (["48K", "unreadable", "G"], 48 * 2**10),
        ([], UNKNOWN_BYTES),
        (["odd"], UNKNOWN_BYTES),
    ],
)
def test_the_largest_cache_counts(tmp_path: Path, sizes: list[str], expected: int) -> None:
    assert last_level_cache_bytes(tree(tmp_path, sizes)) == expected

"""Memory that is left, on machines made of files."""

from pathlib import Path

import psutil
import pytest

from compressor.profiles import available_memory

SELF = "proc/self/cgroup"
V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"
FREE = 16_000


def version_1(folder: str, limit: int, usage: int, reclaimable: int = 0) -> dict[str, str]:
    return {
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{usage}\n",
        f"{folder}/memory.stat": f"cache 9999\ninactive_file 1\ntotal_inactive_file {reclaimable}\n",
    }


def version_2(folder: str, limit: str, usage: int, reclaimable: int = 0) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 17\ninactive_file {reclaimable}\n",
    }


CASES: dict[str, tuple[dict[str, str], int]] = {
    "nothing there": ({}, FREE),
    "v2 no limit": ({SELF: "0::/a\n", **version_2(f"{V2}/a", "max", 500)}, FREE),
    "v2": ({SELF: "0::/a\n", **version_2(f"{V2}/a", "4000", 1500)}, 2500),
    "v2 file pages are given back": ({SELF: "0::/a\n", **version_2(f"{V2}/a", "4000", 3500, 3000)}, 3500),
    "v2 the level above": (
        {SELF: "0::/a/b\n", **version_2(f"{V2}/a/b", "9000", 0), **version_2(f"{V2}/a", "7000", 6000)},
        1000,
    ),
    "v2 more than the machine has": ({SELF: "0::/a\n", **version_2(f"{V2}/a", "99000", 0)}, FREE),
    "v2 over its limit": ({SELF: "0::/a\n", **version_2(f"{V2}/a", "1000", 1200)}, 0),
    "v1": ({SELF: "4:memory:/x\n3:cpu:/y\n", **version_1(f"{V1}/x", 5000, 4000, 500)}, 1500),
    "v1 no limit": ({SELF: "4:memory:/\n", **version_1(V1, 9223372036854771712, 4000)}, FREE),
    "another group's": ({SELF: "4:cpu:/x\n", **version_1(f"{V1}/x", 5000, 4000)}, FREE),
}


@pytest.mark.parametrize("case", CASES)
def test_the_least_of_machine_and_groups_is_left(tmp_path: Path, case: str) -> None:
    files, expected = CASES[case]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert available_memory(tmp_path, free=FREE) == expected


def test_this_machine_has_some() -> None:
    assert 0 < available_memory() <= psutil.virtual_memory().total

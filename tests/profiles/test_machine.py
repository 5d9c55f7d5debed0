"""Threads under quotas of both cgroup versions, and fingerprints of machines made of files."""

import platform
from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.profiles import check_threads, fingerprint, usable_threads
from compressor.profiles.cgroup import cpu_quota
from compressor.records import serial
from compressor.records.profile import DeviceFingerprint, check_fingerprint


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def version_1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    base = f"sys/fs/cgroup/{folder}"
    return {f"{base}/cpu.cfs_quota_us": f"{quota}\n", f"{base}/cpu.cfs_period_us": f"{period}\n"}


SELF = "proc/self/cgroup"
QUOTAS: dict[str, tuple[dict[str, str], float | None]] = {
    "nothing there": ({}, None),
    "v2 no limit": ({SELF: "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "v2 at the top": ({SELF: "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
    "v2 without /proc": ({"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
    "v2 own group": ({SELF: "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5),
    "v2 tightest level": (
        {SELF: "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "300000 100000"},
        3.0,
    ),
    "v2 path of the host": ({SELF: "0::/host/x\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
    "v2 outside its namespace": ({SELF: "0::/../x\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
    "v1 no limit": ({SELF: "4:cpu:/\n", **version_1("cpu", -1)}, None),
    "v1": ({SELF: "4:cpu,cpuacct:/x\n5:memory:/y\n", **version_1("cpu,cpuacct/x", 150_000)}, 1.5),
    "v1 mounted under the short name": ({SELF: "4:cpuacct,cpu:/\n", **version_1("cpu", 20_000, 10_000)}, 2.0),
    "both": ({SELF: "1:cpu:/\n0::/\n", **version_1("cpu", 400_000), "sys/fs/cgroup/unified/cpu.max": "max 1"}, 4.0),
    "another controller": ({SELF: "4:cpuset:/\n", **version_1("cpuset", 100_000)}, None),
    "rubbish": ({SELF: "rubbish\n0::/\n", "sys/fs/cgroup/cpu.max": "0 x\n"}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_quota(tmp_path: Path, case: str) -> None:
    files, expected = QUOTAS[case]
    assert cpu_quota(plant(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("quota", "affinity", "expected"), [("max", 8, 8), ("250000", 8, 2), ("50000", 8, 1), ("900000", 4, 4)]
)
def test_threads_are_the_smaller_of_affinity_and_quota(
    tmp_path: Path, quota: str, affinity: int, expected: int
) -> None:
    plant(tmp_path, {SELF: "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert usable_threads(tmp_path, affinity=affinity) == expected


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_that_may_run_at_once_are_kept(threads: int) -> None:
    assert check_threads(threads, 4) == threads


def test_more_threads_than_may_run_at_once_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected at most 4, the cores that .* got 5; more would make threads wait"):
        check_threads(5, 4)


def test_threads_of_this_process() -> None:
    assert usable_threads() >= 1


X86 = """processor : 0
model name : Some CPU @ 2 GHz
flags : fpu sse avx2 fma avx512_vnni

processor : 1
flags : fpu
"""
SYS = "sys/devices/system/cpu"


def test_fingerprint_of_an_x86_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    files = {"proc/cpuinfo": X86, f"{SYS}/smt/active": "1\n", f"{SYS}/cpu0/cpufreq/scaling_governor": "powersave\n"}
    found = fingerprint(plant(tmp_path, files))
    assert found.model == "Some CPU @ 2 GHz"
    assert found.architecture == "x86_64"
    assert found.flags == ("avx2", "fma", "avx512_vnni")
    assert (found.smt, found.governor, found.virtualised) == (True, "powersave", False)
    assert (found.cpu_quota, found.affinity_cores) == (None, min(usable_threads(tmp_path), found.logical_cores))


def test_a_quota_is_in_the_fingerprint_as_it_is(tmp_path: Path) -> None:
    plant(tmp_path, {SELF: "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"})
    found = fingerprint(tmp_path)
    assert (found.cpu_quota, found.usable_cores) == (1.5, 1)
    assert found.key != fingerprint(tmp_path / "nothing here").key


def test_fingerprint_of_an_arm_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    text = "processor\t: 0\nFeatures\t: fp asimd asimddp sve i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    found = fingerprint(plant(tmp_path, {"proc/cpuinfo": text}))
    assert found.model == "implementer 0x41, part 0xd40"
    assert found.flags == ("asimd", "asimddp", "i8mm", "sve")


def test_a_machine_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "processor", lambda: "")
    found = fingerprint(tmp_path)
    assert (found.model, found.architecture, found.flags) == ("unknown", "aarch64", ("asimd",))
    assert (found.smt, found.governor, found.virtualised) == (None, None, None)


def test_fingerprint_of_this_machine() -> None:
    here = fingerprint()
    check_fingerprint(here)
    assert here.memory_bytes > 1e8
    assert here.operating_system.startswith(platform.system())
    assert serial.from_json(DeviceFingerprint, serial.to_json(here)) == here
    assert here.key == fingerprint().key

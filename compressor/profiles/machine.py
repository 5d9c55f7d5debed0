"""The machine that this process runs on: usable threads and fingerprint.

Linux tells everything. Elsewhere what the system does not say is None (or no flag), never a guess.
"""

import math
import os
import platform
from pathlib import Path

import psutil

from compressor.errors import InputError
from compressor.profiles.cgroup import cpu_quota
from compressor.profiles.vocabulary import INFERENCE_FLAGS
from compressor.records.profile import DeviceFingerprint

_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


def usable_threads(root: Path = Path("/"), *, affinity: int | None = None) -> int:
    """Threads that can really run at once: CPUs in the affinity mask, at most the control groups' quota.

    Args:
        root: The file system's root; tests give a tree of their own.
        affinity: CPUs that the process may run on; None asks the system.

    Returns:
        At least 1; a quota of 2.5 CPUs counts as 2, since a third thread would be throttled.
    """
    cpus = _affinity() if affinity is None else affinity
    quota = cpu_quota(root)
    return cpus if quota is None else max(1, min(cpus, math.floor(quota)))


def check_threads(threads: int, usable: int) -> int:
    """The threads, if they can run at once.

    Args:
        threads: Of an engine.
        usable: What the process may really use, from `usable_threads` or a fingerprint.

    Raises:
        InputError: They are more.
    """
    if threads > usable:
        raise InputError(
            f"--threads: expected at most {usable}, the cores that this process may use, got {threads}; more would "
            "make threads wait for each other: use fewer, or give the process more (affinity, cgroup quota)"
        )
    return threads


def fingerprint(root: Path = Path("/")) -> DeviceFingerprint:
    """The fingerprint of this machine's CPU.

    Args:
        root: The file system's root, for what is read from /proc and /sys.
    """
    cpuinfo = read_cpuinfo(root)
    architecture = _architecture()
    present = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    if architecture == "aarch64":
        present.add("asimd")  # part of the architecture, and macOS has no list of flags
    logical = os.cpu_count() or 1
    return DeviceFingerprint(
        kind="cpu",
        model=_model(cpuinfo),
        architecture=architecture,
        flags=tuple(flag for flag in INFERENCE_FLAGS if flag in present),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=logical,
        usable_cores=min(usable_threads(root), logical),
        affinity_cores=min(_affinity(), logical),
        cpu_quota=cpu_quota(root),
        smt={"0": False, "1": True}.get(_line(root / "sys/devices/system/cpu/smt/active") or ""),
        governor=_line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        memory_bytes=psutil.virtual_memory().total,
        operating_system=_operating_system(),
        virtualised=("hypervisor" in present) if cpuinfo.get("flags") else None,
    )


def read_cpuinfo(root: Path = Path("/")) -> dict[str, str]:
    """The fields of /proc/cpuinfo, each as its first processor has it; empty where there is no such file."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def _affinity() -> int:
    if hasattr(psutil.Process, "cpu_affinity"):  # not on macOS
        return len(psutil.Process().cpu_affinity() or ()) or 1
    return os.cpu_count() or 1


def _architecture() -> str:
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine) or "unknown"


def _model(cpuinfo: dict[str, str]) -> str:
    """The CPU's name; Arm's kernels only print the designer's and the part's numbers."""
    named = next((cpuinfo[field] for field in ("model name", "Model", "Hardware") if cpuinfo.get(field)), "")
    if not named and "CPU part" in cpuinfo:
        named = f"implementer {cpuinfo.get('CPU implementer', 'unknown')}, part {cpuinfo['CPU part']}"
    return named or platform.processor() or "unknown"


def _operating_system() -> str:
    release = ".".join(platform.release().split(".")[:2])
    return f"{platform.system() or 'unknown'} {release}".strip()


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None

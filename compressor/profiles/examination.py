"""What this machine can do for each command, and what to install for the rest."""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from compressor.profiles.machine import fingerprint
from compressor.profiles.memory import available_memory
from compressor.profiles.steadiness import steadiness_notes
from compressor.records.profile import DeviceFingerprint
from compressor.records.units import format_bytes

# What a compression of BERT-base takes: teacher, answers and checkpoints on disk, ranks and their copies in memory.
DISK_BYTES, MEMORY_BYTES = 3 * 10**9, 4 * 10**9
# Products in int8 by instruction set, the best first; without any the runtime's int8 may be no faster than float32.
INT8_FLAGS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")
# Extra -> what it is for.
EXTRAS = {
    "compress": "compress, finetune, demo, profile",
    "report": "pages of reports",
    "hub": "data sets of the hub",
    "openvino": "engines in OpenVINO, where it is faster",
    "demo": "make demo",
}
NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
NVIDIA_SECONDS = 10


class State(StrEnum):
    """How it stands with one thing."""

    GOOD = "good"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What.
        state: `missing` = something cannot be done.
        found: In words.
        advice: What to do about it; empty where nothing is.
        needed: Nothing works without it.
    """

    subject: str
    state: State
    found: str
    advice: str = ""
    needed: bool = False


def examine(cache: Path) -> list[Finding]:
    """Everything that the commands depend on.

    Args:
        cache: Folder in which runs and tables are kept.
    """
    here = fingerprint()
    return [
        *_processor(here),
        *_memory(),
        _disk(cache),
        _python(),
        *_packages(),
        _gpu(),
        *(Finding("steadiness", State.NOTE, note) for note in steadiness_notes(here)),
    ]


def _processor(here: DeviceFingerprint) -> Iterator[Finding]:
    yield Finding("processor", State.GOOD, f"{here.model}, {here.architecture}")
    quota = "" if here.cpu_quota is None else f", a quota of {here.cpu_quota:g} CPUs"
    yield Finding("threads", State.GOOD, f"{here.usable_cores} usable of {here.logical_cores}{quota}")
    best = next((flag for flag in INT8_FLAGS if flag in here.flags), None)
    if best is not None:
        yield Finding("int8", State.GOOD, best)
        return
    advice = "int8 may be no faster than float32 here: the clock decides, as always"
    yield Finding("int8", State.NOTE, "no instructions for products in int8", advice)


def _memory() -> Iterator[Finding]:
    free = available_memory()
    short = free < MEMORY_BYTES
    advice = f"compressing BERT-base takes about {format_bytes(MEMORY_BYTES)}" if short else ""
    yield Finding("memory", State.NOTE if short else State.GOOD, f"{format_bytes(free)} available", advice)


def _disk(cache: Path) -> Finding:
    folder = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    short = free < DISK_BYTES
    advice = f"a run takes up to {format_bytes(DISK_BYTES)}; XDG_CACHE_HOME moves it" if short else ""
    return Finding("disk", State.NOTE if short else State.GOOD, f"{format_bytes(free)} free at {cache}", advice)


def _python() -> Finding:
    return Finding("python", State.GOOD, platform.python_version())


def _packages() -> Iterator[Finding]:
    """The project's own requirements, each once, those of an extra under the first that has it."""
    seen = set()
    for text in metadata.requires("compressor") or ():
        requirement = Requirement(text)
        extra = next((name for name in EXTRAS if _asks_for(requirement, name)), None)
        if (requirement.marker is None or extra is not None) and requirement.name not in seen:
            seen.add(requirement.name)
            yield _package(requirement, extra)


def _asks_for(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _package(requirement: Requirement, extra: str | None) -> Finding:
    what = "compressor" if extra is None else f"compressor[{extra}]"
    advice = f"pip install '{what}'" + ("" if extra is None else f", for: {EXTRAS[extra]}")
    needed = extra is None
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(requirement.name, State.MISSING, "not installed", advice, needed)
    if not requirement.specifier.contains(version, prereleases=True):
        wanted = str(requirement.specifier)
        return Finding(requirement.name, State.MISSING, f"{version}, expected {wanted}", advice, needed)
    return Finding(requirement.name, State.GOOD, version, needed=needed)


def _gpu() -> Finding:
    """What the driver's own tool says."""
    try:
        done = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, check=False, timeout=NVIDIA_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("gpu", State.NOTE, "none that nvidia-smi knows of")
    if done.returncode != 0:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["it said nothing"]
        return Finding("gpu", State.NOTE, f"nvidia-smi failed: {last[0]}", "see that the driver is loaded")
    return Finding("gpu", State.GOOD, "; ".join(done.stdout.strip().splitlines()))

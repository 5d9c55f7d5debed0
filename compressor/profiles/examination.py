"""What this machine can do for each command, and what to install for the rest."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from compressor.profiles.cgroup import levels, words
from compressor.profiles.machine import fingerprint
from compressor.profiles.memory import available_memory
from compressor.profiles.steadiness import steadiness_notes
from compressor.records.profile import DeviceFingerprint
from compressor.records.units import format_bytes

# What a compression of BERT-base takes: teacher, answers and checkpoints on disk, ranks and their copies in memory.
DISK_BYTES, MEMORY_BYTES = 3 * 10**9, 4 * 10**9
MEMORY_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of control groups, version 2 and version 1
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
# Modules that are tried rather than looked up: what they are distributed as differs (onnxruntime-gpu, own builds).
RUNTIMES = ("onnxruntime", "openvino")
TRIAL, TRIAL_SECONDS = (sys.executable, "-m", "compressor.runtimes.trial"), 20
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
        *_memory(here),
        *_cache(cache),
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


def _memory(here: DeviceFingerprint) -> Iterator[Finding]:
    free, limit = available_memory(), _memory_limit()
    short = free < MEMORY_BYTES
    advice = f"compressing BERT-base takes about {format_bytes(MEMORY_BYTES)}" if short else ""
    held = f", a limit of {format_bytes(limit)}" if limit is not None and limit < here.memory_bytes else ""
    yield Finding("memory", State.NOTE if short else State.GOOD, f"{format_bytes(free)} available{held}", advice)


def _memory_limit(root: Path = Path("/")) -> int | None:
    """The tightest of the control groups, in bytes; without a limit None, or more than any machine has."""
    found = (words(level / name) for level in levels(root, "memory") for name in MEMORY_LIMITS)
    return min((int(each[0]) for each in found if each and each[0].isdigit()), default=None)  # "max" is none


def _cache(cache: Path) -> Iterator[Finding]:
    """Whether runs can be kept, and room for them."""
    folder = next(path for path in (cache, *cache.parents) if os.path.exists(path))
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        yield Finding("cache", State.GOOD, str(cache))
    else:
        advice = "let this user write there, or name another folder with XDG_CACHE_HOME"
        yield Finding("cache", State.MISSING, f"{folder} cannot be written to", advice)
    free = shutil.disk_usage(folder).free
    short = free < DISK_BYTES
    advice = f"a run takes up to {format_bytes(DISK_BYTES)}; XDG_CACHE_HOME moves it" if short else ""
    yield Finding("disk", State.NOTE if short else State.GOOD, f"{format_bytes(free)} free at {cache}", advice)


def _python() -> Finding:
    return Finding("python", State.GOOD, platform.python_version())


def _packages() -> Iterator[Finding]:
    """The project's own requirements, each once, those of an extra under the first that has it."""
    try:
        texts = metadata.requires("compressor") or ()
    except metadata.PackageNotFoundError:
        found = "run from a checkout that is not installed: what it needs is not known"
        yield Finding("compressor", State.NOTE, found, "pip install -e . in the checkout")
        return
    seen = set()
    for text in texts:
        requirement = Requirement(text)
        extra = next((name for name in EXTRAS if _asks_for(requirement, name)), None)
        if (requirement.marker is None or extra is not None) and requirement.name not in seen:
            seen.add(requirement.name)
            yield _package(requirement, extra)


def _asks_for(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _package(requirement: Requirement, extra: str | None) -> Finding:
    name, needed = requirement.name, extra is None
    version, problem = _tried(name) if name in RUNTIMES else _installed(name)
    if not problem and not _fits(version, requirement.specifier):
        problem = f"{version}, expected {requirement.specifier}"
    if not problem:
        return Finding(name, State.GOOD, version, needed=needed)
    what = "compressor" if extra is None else f"compressor[{extra}]"
    advice = f"pip install '{what}'" + ("" if extra is None else f", for: {EXTRAS[extra]}")
    return Finding(name, State.MISSING, problem, advice, needed)


def _installed(name: str) -> tuple[str, str]:
    """Version of a distribution, and what is wrong with it; one of the two is empty."""
    try:
        return metadata.version(name), ""
    except metadata.PackageNotFoundError:
        return "", "not installed"


def _tried(name: str) -> tuple[str, str]:
    """The same of a runtime, which has to run a graph of one node."""
    if find_spec(name) is None:
        return "", "not installed"
    try:
        done = subprocess.run((*TRIAL, name), capture_output=True, text=True, check=False, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        return "", f"ran nothing in {TRIAL_SECONDS} s; try again when less runs here"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
    last = lines[0] if lines else f"it ended with {done.returncode} and said nothing"
    return (last, "") if done.returncode == 0 else ("", f"installed, but runs nothing: {last}")


def _fits(version: str, wanted: SpecifierSet) -> bool:
    """Whether a version is one of those that are asked for; a build of one's own may call itself anything."""
    try:
        return wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


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

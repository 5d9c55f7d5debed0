"""Kill a run in the middle of its stages, start it again, and hold its end against a run that nobody interrupted.

Times differ from run to run, and what was measured decides which architecture is cut and for how long it is trained.
So two runs can only be compared given the same measurements. The procedure:

1. Start the command and kill its process (SIGKILL) at the first point; start it again and kill it at the second; and
   so on. The last start is left alone. Every kill must have hit its stage before its record was there; else the cache
   is put back as it was before that start, and the start is repeated.
2. Make a second cache that holds only what the first run measured and what it chose by the clock: the records of
   `MEASURED` stages, the journal of choices, the latency tables. Run the same command on it, without an interruption:
   it takes those from there, and computes everything else anew.
3. Whatever was computed must be the same in both, bit for bit: the teacher's logits, the scores, the trained weights,
   the portable graph and the engine.

Nothing of the tests is imported here, so that benchmarks can use the procedure too.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

MEASURED = ("prepare", "ladder", "table", "search", "verify")
JOURNAL = "choices.jsonl"
COMPUTED = ("score.json", "logits.npy", "student*.safetensors")  # in the run folder
SHIPPED = ("model.onnx", "engine.onnx")  # in the bundle
ATTEMPTS = 5
MET, INFEASIBLE = 0, 3  # exit codes
SECONDS = 600.0


@dataclass(frozen=True)
class KillPoint:
    """Where a run is killed.

    Attributes:
        name: Of the point.
        stage: That is killed.
        reached: (lines that were printed so far, run folder) -> whether it is time.
    """

    name: str
    stage: str
    reached: Callable[[list[str], Path], bool]


def begun(stage: str) -> KillPoint:
    """As soon as the stage says that it begins."""
    return KillPoint(stage, stage, lambda lines, run: any(line.startswith(f"{stage}: ") for line in lines))


BEFORE_CHECKPOINT = KillPoint(
    "distil before a checkpoint",
    "distil",
    lambda lines, run: any(line.startswith("distil: ") and " steps (" in line for line in lines),
)
BEHIND_CHECKPOINT = KillPoint(
    "distil behind a checkpoint", "distil", lambda lines, run: any(run.glob("checkpoint*.safetensors"))
)
EVERYWHERE = (
    *(begun(stage) for stage in ("prepare", "ladder", "table", "label", "score", "search", "race")),
    *(BEFORE_CHECKPOINT, BEHIND_CHECKPOINT),
    *(begun(stage) for stage in ("export", "verify", "compare", "report")),
)


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        exit_codes: Of the interrupted run, at its end, and of the other one.
        killed: Names of the points, in order.
        compared: Files that were in both.
        differing: Files that are not the same in both, or only in one.
        survivors: Processes that outlived the one that was killed.
    """

    exit_codes: tuple[int, int]
    killed: tuple[str, ...]
    compared: tuple[str, ...]
    differing: tuple[str, ...]
    survivors: tuple[str, ...]


class Command:
    """`compressor ARGUMENTS` in processes of its own, with a cache below a folder and the bundle in it.

    Args:
        arguments: Without `--output`.
        folder: Gets `cache` and `bundle`.
        checkout: First on the module path.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, checkout: Path) -> None:
        self.folder, self.cache, self.bundle = folder, folder / "cache", folder / "bundle"
        self.cache.mkdir(parents=True, exist_ok=True)
        self._command = [sys.executable, "-m", "compressor", *arguments, "--output", str(self.bundle)]
        self._environment = {**os.environ, "XDG_CACHE_HOME": str(self.cache), "PYTHONPATH": str(checkout)}

    @property
    def run_folder(self) -> Path:
        """Of the only run in the cache; a path that does not exist before there is one."""
        return next((self.cache / "compressor" / "runs").glob("*"), self.cache / "no run")

    def start(self) -> "Started":
        """Start it in a process group of its own."""
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return Started(process, self)

    def start_to(self, point: "KillPoint") -> "Started":
        """Start it until it reaches the point: on a busy machine a student may not be feasible, or not be needed.

        Raises:
            RuntimeError: It ended before, in another way than that, or several times.
        """
        kept = self.folder / "cache before the start"
        for _ in range(ATTEMPTS):
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.cache, kept)
            started = self.start()
            if started.wait_for(point):
                return started
            if started.end() not in (MET, INFEASIBLE):
                break
            shutil.rmtree(self.cache)
            shutil.copytree(kept, self.cache)
            shutil.rmtree(self.bundle, ignore_errors=True)
        raise RuntimeError(f"{point.name} was not reached: " + "\n".join(started.lines))


class Started:
    """A command that is running."""

    def __init__(self, process: "subprocess.Popen[bytes]", command: Command) -> None:
        self.process, self._command = process, command
        self._output = b""
        if process.stdout is None:
            raise RuntimeError("the process was started without a pipe")
        self._pipe = process.stdout
        os.set_blocking(self._pipe.fileno(), False)

    @property
    def lines(self) -> list[str]:
        """What was printed so far."""
        if not self._pipe.closed:
            self._output += self._pipe.read() or b""
        return self._output.decode(errors="replace").splitlines()

    def wait_for(self, point: KillPoint) -> bool:
        """Wait until the point is reached; False if the command ended before."""
        return self._wait(lambda: point.reached(self.lines, self._command.run_folder))

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        self._wait(lambda: False)
        self._close()
        return self.process.wait()

    def _wait(self, until: Callable[[], bool]) -> bool:
        give_up = time.monotonic() + SECONDS
        while time.monotonic() < give_up:
            if until():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.001)
        self.kill()
        raise TimeoutError(f"nothing happened for {SECONDS:.0f} s: {self.lines[-5:]}")

    def kill(self) -> list[str]:
        """SIGKILL to the process, as the system does; returns the command lines of what has survived it."""
        self.process.kill()
        self.process.wait()
        survivors = self.survivors()
        self._close()
        return survivors

    def _close(self) -> None:
        _ = self.lines
        self._pipe.close()

    def survivors(self) -> list[str]:
        """Command lines of processes of the group that do not end within some seconds."""
        group = self.process.pid
        left = [process for process in psutil.process_iter() if _in_group(process, group)]
        return [" ".join(process.cmdline()) for process in psutil.wait_procs(left, timeout=20)[1]]


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def kill_everywhere(
    arguments: Sequence[str], folder: Path, checkout: Path, points: Sequence[KillPoint] = EVERYWHERE
) -> Comparison:
    """Run the whole procedure.

    Args:
        arguments: `compress ...` without `--output`.
        folder: Gets both caches and both bundles.
        checkout: First on the module path.
        points: In the order in which a run meets them.
    """
    interrupted = Command(arguments, folder / "interrupted", checkout)
    survivors = [line for point in points for line in _killed(interrupted, point)]
    first = interrupted.start().end()
    whole = Command(arguments, folder / "whole", checkout)
    hand_over(interrupted, whole)
    second = whole.start().end()
    names, differing = compare(interrupted, whole)
    return Comparison((first, second), tuple(point.name for point in points), names, differing, tuple(survivors))


def _killed(command: Command, point: KillPoint) -> list[str]:
    """Start and kill; returns what survived."""
    kept = command.folder / "cache before the kill"
    for _ in range(ATTEMPTS):
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(command.cache, kept)
        started = command.start()
        reached = started.wait_for(point)
        survivors = started.kill()
        if reached and not any(command.run_folder.glob(f"{point.stage}*.json")):
            return survivors
        if not reached and started.process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"it failed before {point.name}: {started.lines[-5:]}")
        # The stage was over before the signal came: as if this start had never been.
        shutil.rmtree(command.cache)
        shutil.copytree(kept, command.cache)
        shutil.rmtree(command.bundle, ignore_errors=True)
    raise RuntimeError(f"{point.name} was not hit in {ATTEMPTS} attempts: {started.lines[-5:]}")


def hand_over(source: Command, target: Command) -> None:
    """Give a command what another one measured and chose, and nothing that it computed."""
    run = target.cache / source.run_folder.relative_to(source.cache)
    run.mkdir(parents=True)
    for pattern in (*(f"{stage}*.json" for stage in MEASURED), JOURNAL):
        for file in source.run_folder.glob(pattern):
            shutil.copy(file, run)
    tables = Path("compressor") / "tables"
    if (source.cache / tables).exists():
        shutil.copytree(source.cache / tables, target.cache / tables)


def compare(one: Command, other: Command) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names of the files that are in both, those that differ or are only in one)."""
    pairs = ((one.run_folder, other.run_folder, COMPUTED), (one.bundle, other.bundle, SHIPPED))
    compared, differing = [], []
    for a, b, patterns in pairs:
        for name in sorted({file.name for pattern in patterns for where in (a, b) for file in where.glob(pattern)}):
            if (a / name).exists() and (b / name).exists():
                compared.append(name)
                if (a / name).read_bytes() == (b / name).read_bytes():
                    continue
            differing.append(name)
    return tuple(compared), tuple(differing)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Processes that are started here may run on that many cores, where the system knows such a thing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    first = os.getpid() % len(before)  # not all tests that run at once on the same one
    os.sched_setaffinity(0, [*sorted(before)[first:], *sorted(before)[:first]][:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

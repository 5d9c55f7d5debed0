"""Ctrl-C, a polite end and a second start, in real processes: 130, nothing left running, and it goes on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tiny
from killing import BEFORE_CHECKPOINT, Command, KillPoint, begun, on_cores

from compressor.cli import interruption
from compressor.cli.watching import make_observer


@pytest.fixture
def command(tiny_teacher: Path, tiny_data: Path, fake_target: Path, tmp_path: Path, checkout: Path) -> Command:
    """A command that builds a student."""
    given = {"--teacher": tiny_teacher, "--data": tiny_data, "--target": fake_target, "--max-latency": "130us"}
    given |= {"--batch": tiny.BATCH, "--sequence-length": tiny.LENGTH, "--time-budget": "4m"}
    return Command(["compress", *(str(part) for pair in given.items() for part in pair)], tmp_path, checkout)


def interrupt(command: Command, point: KillPoint, number: signal.Signals, *, group: bool) -> list[str]:
    """Start, send the signal at the point, check the end; returns what was printed."""
    started = command.start_to(point)
    (os.killpg if group else os.kill)(started.process.pid, number)
    assert started.end() == 130, "\n".join(started.lines)
    assert started.survivors() == []
    assert started.lines[-1] == "compressor: interrupted; the same command continues where it was"
    assert not any("Traceback" in line for line in started.lines), started.lines
    assert not command.bundle.exists()
    return started.lines


def test_interrupted_in_the_table_and_with_several_ranks_it_goes_on(command: Command) -> None:
    with on_cores(2):
        interrupt(command, begun("table"), signal.SIGTERM, group=False)
        lines = interrupt(command, BEFORE_CHECKPOINT, signal.SIGINT, group=True)
        assert "ladder: taken from an earlier run" in lines
        assert any(" on 2 rank(s)" in line for line in lines)
        interrupt(command, BEFORE_CHECKPOINT, signal.SIGTERM, group=True)
        last = command.start()
        assert last.end() == 0, "\n".join(last.lines)
    assert "search: taken from an earlier run" in last.lines
    assert last.lines[-1].startswith("met: every promise is kept. Shipped: student")


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
@pytest.mark.parametrize("group", [True, False], ids=["group", "process"])
@pytest.mark.parametrize("point", [begun("table"), begun("distil"), BEFORE_CHECKPOINT], ids=lambda point: point.name)
def test_interrupted_anywhere_it_ends_with_130_and_leaves_nothing(
    command: Command, point: KillPoint, number: signal.Signals, group: bool
) -> None:
    with on_cores(2):
        interrupt(command, point, number, group=group)


def test_a_run_that_another_process_works_on_says_which(command: Command) -> None:
    with on_cores(1):
        first = command.start()
        assert first.wait_for(begun("ladder")), first.lines
        first.process.send_signal(signal.SIGSTOP)
        second = command.start()
        code, lines = second.end(), second.lines
        first.process.send_signal(signal.SIGCONT)
        survivors = first.kill()
        third = command.start()
        assert third.wait_for(begun("table")), third.lines  # the lock of a process that is gone holds nobody
        third.kill()
    assert code == 2
    assert f"process {first.process.pid} is working on the same run" in lines[-1]
    assert "wait for it to end, or stop it: what it has done so far is kept" in lines[-1]
    assert survivors == []


@pytest.mark.heavy
def test_a_training_process_that_is_killed_says_so_and_the_run_goes_on(command: Command) -> None:
    """What the system does when memory runs out."""
    with on_cores(2):
        started = command.start_to(BEFORE_CHECKPOINT)
        ranks = [p for p in psutil.Process(started.process.pid).children() if "spawn_main" in " ".join(p.cmdline())]
        while not ranks:
            ranks = [
                p for p in psutil.Process(started.process.pid).children() if "spawn_main" in " ".join(p.cmdline())
            ]
        ranks[-1].kill()
        assert started.end() == 2, started.lines
        assert started.survivors() == []
        assert "a training process was killed (process" in started.lines[-1]
        assert "as the system does when memory runs out" in started.lines[-1]
        last = command.start()
        assert last.end() == 0, "\n".join(last.lines)
    assert "search: taken from an earlier run" in last.lines


@pytest.fixture
def listening() -> Iterator[None]:
    """With the handlers of the command line, in this process."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interruption.listen()
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    interruption._caught.clear()


@pytest.mark.usefixtures("listening")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_python_drops_ends_the_run_at_the_next_sign_of_progress(number: signal.Signals) -> None:
    class Destroyed:
        def __del__(self) -> None:
            signal.raise_signal(number)
            for _ in range(1000):  # the handler runs in here, wherever Python takes its time to call it
                pass

    observer = make_observer(quiet=True, to_stderr=False)
    observer.progress(0.1)
    thing = Destroyed()
    del thing  # nothing is raised here
    with pytest.raises(KeyboardInterrupt):
        observer.progress(0.2)
    with pytest.raises(KeyboardInterrupt):
        observer.end("distil", 1.0, cached=False)

"""Progress in a pipe: plain lines, and no stage that says nothing for long."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import IO

from compressor.records.units import format_seconds

# Of a stage: when progress is told first, so that two seconds never pass in silence, and how often from then on.
FIRST_SECONDS, NEXT_SECONDS = 1.5, 10.0
LOOK_SECONDS, END_SECONDS = 0.25, 1.0  # of the thread: between two looks, and to end


@dataclass
class _Stage:
    """What is known of the stage that runs; times are those of the clock, in seconds.

    Attributes:
        name: Of the stage.
        text: What it does.
        begun: When it began.
        due: When its next line is to be printed.
        announced: Its first line was printed.
        share: Of it that is done.
        at: When that was reported.
        start: When it began to move, and the share then: what came before (processes starting, work that is not part
            of the share) says nothing about the speed.
        detail: What it is doing, in words.
    """

    name: str
    text: str
    begun: float
    due: float
    announced: bool = False
    share: float = 0.0
    at: float = 0.0
    start: tuple[float, float] | None = None
    detail: str = ""

    def move(self, now: float, share: float, detail: str) -> None:
        """Take in what was reported."""
        if self.start is None or share <= self.start[1]:
            self.start = now, share
        self.share, self.at, self.detail = share, now, detail

    def line(self, now: float) -> str:
        """How far it is, and how long it will take if that is known."""
        since, first = self.start or (now, self.share)
        told = f"{format_seconds(now - self.begun)} so far"
        if first < self.share < 1:
            left = (self.at - since) * (1 - self.share) / (self.share - first) - (now - self.at)
            told = f"{100 * self.share:.0f} %, about {format_seconds(max(0.0, left))} left"
        return f"{self.name}: {told}{f', {self.detail}' if self.detail else ''}"


class Lines:
    """A line when a stage begins and when it ends; how far it is after two seconds, and every ten from then on.

    A thread looks whether a line is due, since what takes long may report nothing while it does.

    Args:
        stream: Where the lines go.
        brief: Nothing is said of a stage that takes no two seconds.
        clock: Seconds.
    """

    def __init__(self, stream: IO[str], *, brief: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._brief, self._clock = stream, brief, clock
        self._stage: _Stage | None = None
        self._lock, self._closed = Lock(), Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def begin(self, stage: str, text: str) -> None:
        """See `Observer`."""
        now = self._clock()
        with self._lock:
            self._stage = _Stage(stage, text, begun=now, due=now + FIRST_SECONDS)
            if not self._brief:
                self._announce(self._stage)

    def progress(self, share: float, text: str = "") -> None:
        """See `Observer`."""
        with self._lock:
            if self._stage is not None:
                self._stage.move(self._clock(), share, text)

    def note(self, text: str) -> None:
        """See `Observer`."""
        with self._lock:
            self._print(f"{self._stage.name}: {text}" if self._stage else text)

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        """See `Observer`."""
        with self._lock:
            told = self._stage is None or self._stage.announced
            if self._stage is not None:
                self._stage.due = math.inf
            if told:
                text = "taken from an earlier run" if cached else f"done in {format_seconds(seconds)}"
                self._print(f"{stage}: {text}")

    def close(self) -> None:
        """See `ClosingObserver`."""
        self._closed.set()
        self._thread.join(END_SECONDS)
        self._stream.flush()

    def tell(self) -> None:
        """Print the line that is due, if one is."""
        with self._lock:
            now, stage = self._clock(), self._stage
            if stage is None or now < stage.due:
                return
            stage.due = now + NEXT_SECONDS
            if stage.announced:
                self._print(stage.line(now))
            else:
                self._announce(stage)

    def _look(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                self.tell()
            except (OSError, ValueError):  # nobody reads any more: the thread that works will meet that too
                return

    def _announce(self, stage: _Stage) -> None:
        stage.announced = True
        self._print(f"{stage.name}: {stage.text}")

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

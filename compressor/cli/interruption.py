"""Ctrl-C and SIGTERM end a run, also where the exception that they raise gets lost.

Python raises it wherever the main thread happens to be. In a destructor, a callback of the garbage collector or of a C
library it is dropped, and the run would go on as if nobody had asked. So the signal is also remembered, and whoever
reports progress hears of it.
"""

import signal
from types import FrameType
from typing import Protocol

from compressor.records.observer import Observer

_caught: list[int] = []


def listen() -> None:
    """From now on both signals raise KeyboardInterrupt, at once or at the next sign of progress."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _caught.append(number)
    raise KeyboardInterrupt


def check() -> None:
    """Raise what was asked for, if it was.

    Raises:
        KeyboardInterrupt: There was a signal.
    """
    if _caught:
        raise KeyboardInterrupt


class ClosingObserver(Observer, Protocol):
    """An observer that gives the terminal back."""

    def close(self) -> None:
        """Called once, at the end."""


class Interruptible:
    """Hands on what an observer is told, unless the run is to end."""

    def __init__(self, observer: ClosingObserver) -> None:
        self._observer = observer

    def begin(self, stage: str, text: str) -> None:
        """See `Observer`."""
        check()
        self._observer.begin(stage, text)

    def progress(self, share: float, text: str = "") -> None:
        """See `Observer`."""
        check()
        self._observer.progress(share, text)

    def note(self, text: str) -> None:
        """See `Observer`."""
        check()
        self._observer.note(text)

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        """See `Observer`."""
        check()
        self._observer.end(stage, seconds, cached=cached)

    def close(self) -> None:
        """See `ClosingObserver`."""
        self._observer.close()

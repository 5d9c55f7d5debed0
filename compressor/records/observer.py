"""Who watches a run: the stages tell it what they do, it decides how to show that."""

from typing import Protocol


class Observer(Protocol):
    """Called by the pipeline, in the order begin, (progress | note)*, end for each stage."""

    def begin(self, stage: str, text: str) -> None:
        """A stage starts; `text` says what it does."""

    def progress(self, share: float, text: str = "") -> None:
        """A share in [0, 1] of the stage is done."""

    def note(self, text: str) -> None:
        """A finding worth a line."""

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        """The stage is done, or was taken from an earlier run."""


class Silent:
    """Shows nothing."""

    def begin(self, stage: str, text: str) -> None:
        """See `Observer`."""

    def progress(self, share: float, text: str = "") -> None:
        """See `Observer`."""

    def note(self, text: str) -> None:
        """See `Observer`."""

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        """See `Observer`."""

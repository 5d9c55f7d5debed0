"""The one error tree of the project; every leaf knows the exit code of the command that it ends.

A message says what was expected, what was found and how to fix it. Anything else that escapes is an internal
error (exit code 1).
"""

import math
from collections.abc import Iterator
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command (docs/design.md, section 1)."""

    MET = 0
    INTERNAL = 1
    USAGE = 2
    INFEASIBLE = 3
    MISSED = 4
    UNAVAILABLE = 5
    INCONCLUSIVE = 6
    INTERRUPTED = 130


class CompressorError(Exception):
    """Root of all errors raised on purpose; by itself an internal error."""

    exit_code: ExitCode = ExitCode.INTERNAL


class InputError(CompressorError):
    """What the user gave (flag, file, data, teacher) cannot be used as it is."""

    exit_code = ExitCode.USAGE


class InfeasibleError(CompressorError):
    """No candidate keeps the limit; carries the nearest point that is feasible.

    Args:
        message: What was asked for, what is possible, what to change.
        nearest_ms: The lowest latency limit that is feasible, in milliseconds.
        cost: What that point would cost, in words.
    """

    exit_code = ExitCode.INFEASIBLE

    def __init__(self, message: str, *, nearest_ms: float, cost: str) -> None:
        super().__init__(message)
        self.nearest_ms = nearest_ms
        self.cost = cost


class TooLargeError(InfeasibleError):
    """No candidate within the latency limit keeps `--max-size`.

    Args:
        message: What was asked for, what is possible, what to change.
        missing_bytes: By how much the smallest candidate is too large.
    """

    def __init__(self, message: str, *, missing_bytes: int) -> None:
        super().__init__(message, nearest_ms=math.inf, cost="a larger --max-size")
        self.missing_bytes = missing_bytes


class UnavailableError(CompressorError):
    """The target, a runtime or an optional dependency is not available here."""

    exit_code = ExitCode.UNAVAILABLE


class ResourceError(CompressorError):
    """Disk or memory do not suffice; what was finished before is kept, and the same command continues."""

    exit_code = ExitCode.USAGE


class BorderError(CompressorError):
    """A record that crosses from one stage to the next is not what its check promises: a bug, not a user error."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__

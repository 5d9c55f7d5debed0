"""The files that a gate writes for CI systems and people."""

from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError, UnavailableError
from compressor.gate.history import append_history, check_history, draw_history
from compressor.records.gate import GateResult
from compressor.records.writing import write_text
from compressor.report.gate import gate_junit, gate_markdown


@dataclass(frozen=True)
class GateOutputs:
    """Where they go; None = not asked for.

    Attributes:
        junit: Checks in JUnit XML.
        markdown: Comment for a pull request.
        record: History that a line is added to.
    """

    junit: Path | None = None
    markdown: Path | None = None
    record: Path | None = None

    def check(self) -> None:
        """Refuse places that cannot be written to, before anything is measured for them.

        Raises:
            InputError: The message names the flag.
        """
        for path, flag in ((self.junit, "--junit"), (self.markdown, "--markdown")):
            if path is not None:
                _check_writable(path, flag)
        if self.record is not None:
            check_history(self.record)

    def write(self, result: GateResult) -> tuple[str, ...]:
        """Write them all.

        Returns:
            Notes on what could not be drawn, which changes no verdict.

        Raises:
            InputError: A file cannot be written after all.
        """
        for path, flag, text in ((self.junit, "--junit", gate_junit), (self.markdown, "--markdown", gate_markdown)):
            if path is not None:
                write_text(path, text(result), flag)
        if self.record is None:
            return ()
        append_history(result, self.record)
        try:
            draw_history(self.record)
        except (UnavailableError, OSError) as error:
            return (f"--record: {self.record} has its line, but no picture beside it: {error}",)
        return ()


def _check_writable(path: Path, flag: str) -> None:
    """A file that is there stays as it is."""
    try:
        new = not path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise InputError(f"{flag}: cannot write {path}: {error.strerror}; give another place") from error

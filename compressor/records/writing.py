"""Files that a flag of the command line names."""

from pathlib import Path

from compressor.errors import InputError


def write_text(path: Path, text: str, flag: str) -> None:
    """Write a text file.

    Args:
        path: Of the file; one that is there is replaced.
        text: Its content.
        flag: What named it, such as `--output`.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{flag}: cannot write {path}: {error.strerror}; give another place") from error

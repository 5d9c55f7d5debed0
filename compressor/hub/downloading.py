"""Files of a repository: downloaded in order, continued where an earlier process stopped, and checked."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from compressor.errors import UnavailableError
from compressor.hub.remote import Listing, RemoteFile, client, reason


def download(listing: Listing, names: list[str], folder: Path, *, progress: Callable[[float], None]) -> None:
    """Download files of a repository below a folder; what an earlier try has got is kept.

    Args:
        listing: The repository.
        names: Which of its files.
        folder: Where they go, under their names.
        progress: Called with the share of the bytes that is here.

    Raises:
        UnavailableError: The connection broke, or a file came damaged.
    """
    total = sum(listing.files[name].size_bytes or 0 for name in names) or 1
    done = 0

    def report(size_bytes: int) -> None:
        progress(min(1.0, (done + size_bytes) / total))

    for name in names:
        _download_file(listing, listing.files[name], folder / name, report)
        done += (folder / name).stat().st_size
        report(0)


def _download_file(listing: Listing, file: RemoteFile, path: Path, report: Callable[[int], None]) -> None:
    if path.exists():
        return
    hub = client()
    hub.utils.disable_progress_bars()  # the observer shows the progress
    url = hub.hf_hub_url(listing.repository, file.name, repo_type=listing.kind, revision=listing.commit)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if part.exists() and file.size_bytes is not None and part.stat().st_size > file.size_bytes:
        part.unlink()
    try:
        with part.open("ab") as stream:
            hub.file_download.http_get(  # its own download of a file cannot be continued by another process
                url,
                _Counted(stream, report),
                resume_size=stream.tell(),
                headers=hub.utils.build_hf_headers(),
                expected_size=file.size_bytes,
            )
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise UnavailableError(
            f"the download of {file.name} of {listing.repository} stopped ({reason(error)}); the same command "
            "continues it"
        ) from error
    _check(file, part, listing.repository)
    part.replace(path)


def _check(file: RemoteFile, part: Path, repository: str) -> None:
    """Refuse, and forget, a file that is not the one that the hub has."""
    if file.sha256 is None:
        return
    with part.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        part.unlink()
        raise UnavailableError(
            f"{file.name} of {repository} came damaged: expected SHA-256 {file.sha256}, found {found}; run the same "
            "command again"
        )


class _Counted:
    """The file that the client writes to; tells how much is there."""

    def __init__(self, stream: IO[bytes], report: Callable[[int], None]) -> None:
        self._stream, self._report = stream, report
        self.seek, self.tell, self.truncate = stream.seek, stream.tell, stream.truncate

    def write(self, data: bytes) -> int:
        written = self._stream.write(data)
        self._report(self._stream.tell())
        return written

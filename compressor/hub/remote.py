"""The hub over HTTP: what a repository holds, and its files.

Whatever goes wrong is one of two errors: the repository cannot be had (InputError), or the hub cannot be reached
(UnavailableError), and the latter comes within `ANSWER_SECONDS`, also where a name server hangs.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

from compressor.errors import InputError, UnavailableError

Kind = Literal["model", "dataset"]
R = TypeVar("R")

# A command without network has to end within 2 s, its start included. On a slow network the hub's own variable
# HF_HUB_ETAG_TIMEOUT (seconds that its client waits for an answer) makes it longer.
ANSWER_SECONDS = 1.25
NOT_THERE = (401, 404)  # the hub answers 401 for a repository that does not exist, so as not to say which do


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository; the hub has a SHA-256 (hex) of big files only."""

    name: str
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one commit.

    Attributes:
        kind: Model or data set.
        repository: `org/name`, as it is called now.
        commit: Its hash, 40 hex digits.
        files: By name, with slashes.
    """

    kind: Kind
    repository: str
    commit: str
    files: dict[str, RemoteFile]


def list_repository(repository: str, kind: Kind, *, commit: str | None = None) -> Listing:
    """Ask the hub what a repository holds, at a commit or else now.

    Raises:
        InputError: There is no such repository, or it is gated or private.
        UnavailableError: The hub cannot be reached, or `huggingface_hub` is not installed.
    """
    hub = _client()
    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or ANSWER_SECONDS)
    try:
        info = _within(
            seconds,
            lambda: hub.HfApi().repo_info(
                repository, repo_type=kind, revision=commit or "main", timeout=seconds, files_metadata=True
            ),
        )
    except Exception as error:  # of requests, httpx or httpx2, by the version of the client
        raise _refused(error, repository, kind, hub.constants.ENDPOINT) from error
    files = {
        file.rfilename: RemoteFile(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings
    }
    return Listing(kind, info.id, info.sha, files)


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
    hub = _client()
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
            f"the download of {file.name} of {listing.repository} stopped ({_reason(error)}); the same command "
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


def _client() -> Any:
    try:
        import huggingface_hub.file_download
        import huggingface_hub.utils
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"a name of the hub needs {error.name}, which is not installed: pip install 'compressor[compress]'"
        ) from error
    return huggingface_hub


def _within(seconds: float, ask: Callable[[], R]) -> R:
    """The answer of a call, or TimeoutError; the time limits of a client do not cover the name server.

    The thread is a daemon: the process ends without it.
    """
    answer: list[R] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            answer.append(ask())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError(f"no answer within {seconds:g} s; HF_HUB_ETAG_TIMEOUT=10 waits longer")
    return answer[0]


def _refused(error: Exception, repository: str, kind: Kind, endpoint: str) -> InputError | UnavailableError:
    """What a failed question means to the user."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    what = "model" if kind == "model" else "data set"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError | RepositoryNotFoundError) or status in NOT_THERE:
        return InputError(
            f"the hub ({endpoint}) has no {what} {repository!r}, or it is gated or private; there is no folder of "
            "that name here either. Check the name; where you have access, set HF_TOKEN"
        )
    return UnavailableError(
        f"the {what} {repository!r} is not in the cache, and the hub ({endpoint}) cannot be reached: {_reason(error)}"
    )


def _reason(error: Exception) -> str:
    """The first line of what went wrong, and its type where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__

"""The hub over HTTP: what a repository holds.

Whatever goes wrong is one of two errors: the repository cannot be had (InputError), or the hub cannot be reached
(UnavailableError), and the latter comes within `ANSWER_SECONDS`, also where a name server hangs.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

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
    hub = client()
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


def client() -> Any:
    """The hub's own client, loaded when it is first needed.

    Raises:
        UnavailableError: It is not installed.
    """
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
        f"the {what} {repository!r} is not in the cache, and the hub ({endpoint}) cannot be reached: {reason(error)}"
    )


def reason(error: Exception) -> str:
    """The first line of what went wrong, and its type where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__

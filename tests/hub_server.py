"""A stand-in of the hub on this machine: the few addresses that its client asks for.

/api/models/ORG/NAME/revision/REVISION, /api/datasets/...     what a repository holds
/ORG/NAME/resolve/COMMIT/FILE, /datasets/...                   a file, or the rest of it (Range)
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LIST = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/revision/([^/?]+)")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([0-9a-f]{40})/([^?]+)")
BIG = 1000  # bytes from which on a file is kept apart, with its SHA-256


class Hub:
    """Repositories, and how they behave.

    Attributes:
        asked: Paths of all requests, with the Range header where there was one.
        status: What everything is answered with; None = properly.
        error_code: The header X-Error-Code of such an answer.
        budget: Bytes of files that are sent before the connection breaks; None = all.
        damaged: Names of files that are sent with a byte changed.
    """

    def __init__(self) -> None:
        self._repositories: dict[tuple[str, str], dict[str, dict[str, bytes]]] = {}
        self.asked: list[str] = []
        self.status: int | None = None
        self.error_code = ""
        self.budget: int | None = None
        self.damaged: set[str] = set()
        self.endpoint = ""

    def add(self, kind: str, repository: str, files: dict[str, bytes]) -> str:
        """Commit files; the last commit is `main`. Returns its hash."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
        self._repositories.setdefault((f"{kind}s", repository), {})[commit] = files
        return commit

    def listing(self, kind: str, repository: str, revision: str) -> dict[str, Any] | None:
        """The answer to the question what a repository holds; None where there is no such."""
        commits = self._repositories.get((kind, repository), {})
        commit = list(commits)[-1] if revision == "main" and commits else revision
        if commit not in commits:
            return None
        return {"id": repository, "sha": commit, "siblings": [_sibling(*item) for item in commits[commit].items()]}

    def content(self, kind: str, repository: str, commit: str, name: str) -> bytes | None:
        """A file as it is sent."""
        content = self._repositories.get((kind, repository), {}).get(commit, {}).get(name)
        if content is not None and name in self.damaged:
            return bytes([content[0] ^ 1]) + content[1:]
        return content

    def sent(self, wanted: int) -> int:
        """How many of that many bytes go out before the connection breaks."""
        if self.budget is None:
            return wanted
        now = min(wanted, self.budget)
        self.budget -= now
        return now


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
    if len(content) >= BIG:
        facts["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return facts


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Answer at `hub.endpoint` until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            hub.asked.append(self.path + (f" {span}" if span else ""))
            if hub.status is not None:
                self._answer(hub.status, b"", {"X-Error-Code": hub.error_code})
            elif found := _LIST.match(self.path):
                listing = hub.listing(*found.groups())
                self._answer_or_404(None if listing is None else json.dumps(listing).encode(), "RepoNotFound")
            elif found := _FILE.match(self.path):
                kind, repository, commit, name = found.groups()
                content = hub.content("datasets" if kind else "models", repository, commit, name)
                self._answer_or_404(content, "EntryNotFound", commit=commit, span=span)
            else:
                self._answer(404, b"", {})

        def _answer_or_404(
            self, content: bytes | None, code: str, *, commit: str = "", span: str | None = None
        ) -> None:
            if content is None:
                self._answer(404, b"", {"X-Error-Code": code})
                return
            start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit}
            if span:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206 if span else 200, content[start:], headers, file=bool(commit))

        def _answer(self, status: int, content: bytes, headers: dict[str, str], *, file: bool = False) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: hub.sent(len(content))] if file else content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Without a network a command says so, in a process of its own, whatever the network does instead of answering."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serving

COMMAND = ("compress", "--teacher", "bert-base", "--max-latency", "5ms", "--output", "bundle")
HANGING_NAME_SERVER = (
    "import socket, time\nsocket.getaddrinfo = lambda *a, **k: time.sleep(3600)\n"
    f"from compressor.cli import main\nmain({list(COMMAND)})"
)
FROM_THE_COMMAND_LINE = (
    f"import sys\nfrom compressor.cli.app import run\ncode = run({list(COMMAND)})\n"
    "print('torch' in sys.modules)\nsys.exit(code)"
)


def ended(script: str, tmp_path: Path, checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a fresh process; the limit is for a process that never ends."""
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**plain, "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(tmp_path / "cache"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def says_what_to_do(done: subprocess.CompletedProcess[str], why: str) -> bool:
    wanted = ("'textattack/bert-base-uncased-SST-2' is not in the cache", why, "--teacher DIR --data DIR", "--plan")
    return done.returncode == 5 and all(part in done.stderr for part in wanted) and "Traceback" not in done.stderr


@pytest.fixture
def silent() -> Iterator[str]:
    """A place that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refused() -> str:
    """A place where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_nobody_listens(refused: str, tmp_path: Path, checkout: Path) -> None:
    done = ended(FROM_THE_COMMAND_LINE, tmp_path, checkout, HF_ENDPOINT=refused)
    assert says_what_to_do(done, "Connection refused"), done.stderr
    assert done.stdout.split() == ["False"]  # torch alone takes longer to load than all of this may


def test_somebody_listens_and_never_answers(silent: str, tmp_path: Path, checkout: Path) -> None:
    done = ended(FROM_THE_COMMAND_LINE, tmp_path, checkout, HF_ENDPOINT=silent)
    assert says_what_to_do(done, f"the hub ({silent}) cannot be reached"), done.stderr


def test_the_name_server_hangs(tmp_path: Path, checkout: Path) -> None:
    done = ended(HANGING_NAME_SERVER, tmp_path, checkout)
    assert says_what_to_do(done, "no answer within 1.25 s; HF_HUB_ETAG_TIMEOUT=10 waits longer"), done.stderr


def test_the_proxy_refuses(refused: str, tmp_path: Path, checkout: Path) -> None:
    with serving(Hub()) as proxy:
        proxy.status = 403
        through = {"HF_ENDPOINT": "http://hub.test", "HTTP_PROXY": proxy.endpoint}
        done = ended(FROM_THE_COMMAND_LINE, tmp_path, checkout, **through)
    assert says_what_to_do(done, "403"), done.stderr
    assert proxy.asked


def test_the_hub_is_broken(tmp_path: Path, checkout: Path) -> None:
    with serving(Hub()) as hub:
        hub.status = 503
        done = ended(FROM_THE_COMMAND_LINE, tmp_path, checkout, HF_ENDPOINT=hub.endpoint)
    assert says_what_to_do(done, "503"), done.stderr


def test_no_network_is_wanted(tmp_path: Path, checkout: Path) -> None:
    with serving(Hub()) as hub:
        done = ended(FROM_THE_COMMAND_LINE, tmp_path, checkout, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert says_what_to_do(done, "HF_HUB_OFFLINE"), done.stderr
    assert hub.asked == []

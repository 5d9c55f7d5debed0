"""The peers: an environment for each, its models built there, and a process that runs one of them when asked.

Environments take some gigabytes and minutes; they are made once, below `benchmarks/.peers`, under the hash of their
requirements. A peer that cannot be made or run is a `PeerError`: those that are there are compared without it.
"""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from benchmarks.harness import CHECKOUT, content_hash

HERE = Path(__file__).resolve().parent
PLACE = HERE.parent / ".peers"
OURS = Path(sys.executable)  # the worker runs our own models too, in the same way
TORCH = "torch==2.13.0"  # first and by itself, so that its CPU build is taken where pip's settings offer one
INSTALL_SECONDS, BUILD_SECONDS, ANSWER_SECONDS = 1800.0, 1800.0, 300.0
LAST = 1500  # characters of what was printed


class PeerError(RuntimeError):
    """A peer could not be made or run; what it printed last is in the message."""


@dataclass(frozen=True)
class Model:
    """A model of a peer, and how it is run: a user would take the fastest."""

    name: str
    file: str
    runtime: str = "onnxruntime"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    """A tool that makes a faster model of a teacher.

    Attributes:
        name: Of the script `build_NAME.py`, too.
        requirements: Of its environment, with versions.
        models: What the script makes.
        torch: It needs torch, which is installed before everything else.
        sources: Files and folders that are installed as they are now: changed, they need another environment.
    """

    name: str
    requirements: tuple[str, ...]
    models: tuple[Model, ...]
    torch: bool = True
    sources: tuple[Path, ...] = ()

    @property
    def installed(self) -> tuple[tuple[str, ...], ...]:
        """What pip is given, call by call."""
        return ((TORCH,), self.requirements) if self.torch else (self.requirements,)

    @property
    def environment(self) -> Path:
        """Folder of its environment."""
        words = [word for wanted in self.installed for word in wanted]
        words += [content_hash(self.sources, [])] if self.sources else []
        return PLACE / f"{self.name}-{hashlib.sha256(chr(10).join(words).encode()).hexdigest()[:12]}"


NO_SKIP = ("SkipLayerNormFusion",)  # slower than what it replaces on some processors
LITERT_LENGTHS = (16, 32, 56, 128)  # each is a model of its own
PEERS = (
    Peer(
        "onnxruntime",
        ("transformers==5.23.0", "onnx==1.23.2", "onnxruntime==1.31.1", "sympy"),
        (
            Model("plain int8", "plain-int8.onnx"),
            Model("plain int8, without SkipLayerNorm", "plain-int8.onnx", options=NO_SKIP),
            Model("fused int8", "fused-int8.onnx"),
        ),
    ),
    Peer(
        "optimum",
        ("optimum-onnx[onnxruntime]==0.1.0", "onnx==1.23.2", "requests"),
        (
            Model("int8, avx512_vnni", "plain-int8.onnx"),
            Model("int8, avx512_vnni, without SkipLayerNorm", "plain-int8.onnx", options=NO_SKIP),
            Model("O2, and int8 by ONNX Runtime's tool", "o2-int8.onnx"),
        ),
    ),
    Peer(
        "olive",
        ("olive-ai==0.13.0", "onnxruntime==1.31.1", "onnx==1.23.2", "transformers==5.23.0", "requests", "psutil"),
        (
            Model("int8", "plain-int8.onnx"),
            Model("int8, without SkipLayerNorm", "plain-int8.onnx", options=NO_SKIP),
            Model("fusions and int8", "fused-int8.onnx"),
        ),
    ),
    Peer(
        "openvino",
        ("openvino==2026.4.1", "nncf==3.4.0", "transformers==5.23.0"),
        (
            Model("bfloat16 where it is faster", "fp32.xml", "openvino"),
            Model("NNCF int8", "int8.xml", "openvino", ("f32",)),
            Model("NNCF int8, bfloat16 elsewhere", "int8.xml", "openvino"),
            Model("bfloat16 where it is faster, known shape", "fp32.xml", "openvino", ("static",)),
            Model("NNCF int8, known shape", "int8.xml", "openvino", ("f32", "static")),
            Model("NNCF int8, bfloat16 elsewhere, known shape", "int8.xml", "openvino", ("static",)),
        ),
    ),
    Peer(
        "litert",
        ("litert-torch==0.10.0", "ai-edge-litert==2.3.0", "transformers==5.23.0"),
        (Model("int8", f"int8-{LITERT_LENGTHS[-1]}.tflite", "litert", tuple(map(str, LITERT_LENGTHS))),),
    ),
)


def python_of(peer: Peer) -> Path:
    """The interpreter of a peer's environment, which is made where it is missing, in the place of older ones.

    Raises:
        PeerError: It cannot be installed.
    """
    folder = peer.environment
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"  environment of {peer.name}: some minutes", flush=True)
        for older in PLACE.glob(f"{peer.name}-{'[0-9a-f]' * 12}"):
            shutil.rmtree(older)
        venv.create(folder, with_pip=True)
        for wanted in peer.installed:
            checked([python, "-m", "pip", "install", "--quiet", *wanted], seconds=INSTALL_SECONDS)
        (folder / "complete").touch()
    return python


def build(peer: Peer, teacher: Path, calibration: Path, output: Path) -> Path:
    """Folder of the models of a teacher; made where it is missing, under the hash of everything that makes them.

    Args:
        peer: By whom.
        teacher: Folder of the teacher.
        calibration: Training text, one per line behind a header, text first.
        output: Folder for all peers' models of this teacher.

    Raises:
        PeerError: They cannot be made.
    """
    script = HERE / f"build_{peer.name}.py"
    folder = output / f"{peer.name}-{content_hash([script, teacher, calibration], peer.installed)}"
    if not folder.exists():
        print(f"  models of {peer.name}: some minutes", flush=True)
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        checked([python_of(peer), script, teacher, calibration, fresh], seconds=BUILD_SECONDS)
        if missing := [model.file for model in peer.models if not (fresh / model.file).exists()]:
            raise PeerError(f"{script.name} ended well, but left no {', '.join(missing)}")
        fresh.rename(folder)
    return folder


def checked(command: Sequence[object], *, seconds: float) -> str:
    """What a command printed, on both streams.

    Raises:
        PeerError: It failed, or took longer.
    """
    words = list(map(str, command))
    process = subprocess.Popen(
        words,
        env=_variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)  # and with it what it has started, which holds its pipe open
        output, _ = process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise PeerError(f"{shlex.join(words)} took more than {seconds:g} s:\n{output[-LAST:]}") from error
    if process.returncode:
        raise PeerError(f"{shlex.join(words)} ended with {process.returncode}:\n{output[-LAST:]}")
    return output


def _variables(**more: str) -> dict[str, str]:
    """Of a process in an environment of its own, which must not find this checkout unless it is told to."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **more}


class Worker:
    """A process that holds a model and runs it only when asked, so that several can be timed in turn.

    Args:
        python: The interpreter.
        model: What it runs.
        folder: Where the model is.
        threads: Of the runtime.
    """

    def __init__(self, python: Path, model: Model, folder: Path, *, threads: int) -> None:
        command = [python, HERE / "worker.py", model.runtime, folder / model.file, threads, *model.options]
        self._name = model.name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            list(map(str, command)),
            env=_variables(PYTHONPATH=str(CHECKOUT)) if python == OURS else _variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()  # waits, and closes the pipes
        self._errors.close()

    def ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            PeerError: It cannot be.
        """
        self._answer()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; see `worker.py`.

        Raises:
            PeerError: The process ended, or took too long.
        """
        stdin = cast(IO[str], self._process.stdin)
        try:
            stdin.write(json.dumps(command) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and why is said where its answer is missing
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        watch = threading.Timer(ANSWER_SECONDS, self._process.kill)
        watch.start()
        try:
            line = cast(IO[str], self._process.stdout).readline()
        finally:
            watch.cancel()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            raise PeerError(
                f"the worker of {self._name} ended with {code}, after at most {ANSWER_SECONDS:g} s:\n"
                f"{self._errors.read()[-LAST:]}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

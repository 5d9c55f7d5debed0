"""The peers: an environment for each, its models built there, and a process that runs one of them when asked.

Environments take some gigabytes and minutes; they are made once, below `benchmarks/.peers`, under the hash of their
requirements.
"""

import hashlib
import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
PLACE = HERE.parent / ".peers"
TORCH = "torch==2.13.0"  # first and by itself, so that its CPU build is taken where pip's settings offer one


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
    """

    name: str
    requirements: tuple[str, ...]
    models: tuple[Model, ...]


NO_SKIP = ("SkipLayerNormFusion",)  # slower than what it replaces on some processors
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
            Model("O2 and int8, avx512_vnni", "o2-int8.onnx"),
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
)


def python_of(peer: Peer) -> Path:
    """The interpreter of a peer's environment, which is made where it is missing."""
    key = hashlib.sha256("\n".join((TORCH, *peer.requirements)).encode()).hexdigest()[:12]
    folder = PLACE / f"{peer.name}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"  environment of {peer.name}: some minutes", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        for wanted in ((TORCH,), peer.requirements):
            _run([python, "-m", "pip", "install", "--quiet", *wanted])
        (folder / "complete").touch()
    return python


def build(peer: Peer, teacher: Path, calibration: Path, output: Path) -> Path:
    """The models of a teacher; made where they are missing.

    Args:
        peer: By whom.
        teacher: Folder of the teacher.
        calibration: Training text, one per line behind a header, text first.
        output: Folder for all peers' models of this teacher.
    """
    folder = output / peer.name
    if not all((folder / model.file).exists() for model in peer.models):
        _run([python_of(peer), HERE / f"build_{peer.name}.py", teacher, calibration, folder])
    return folder


def _run(command: Sequence[object]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-3000:]}")


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
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; see `worker.py`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the worker has no pipes")
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self._process.args} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


OURS = Path(sys.executable)  # the worker runs our own models too, in the same way

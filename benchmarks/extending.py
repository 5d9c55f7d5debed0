"""How many files a new loss and a new block take: each is added to a copy of the checkout, and tested there.

What is added is what docs/adding.md asks for: the file, its line in the registry, its tests.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import CHECKOUT

LOSS = '''"""The mean absolute difference of logits, for the benchmark of extending."""

from typing import ClassVar

from torch import Tensor

from compressor.distill.objectives.base import EVERY_TASK, Need, Objective
from compressor.encoder import Trace


class LogitDistance(Objective):
    """Absolute differences of the logits."""

    name = "logit-distance"
    source = "none: an example"
    needs = frozenset[Need]({"teacher's logits"})
    tasks: ClassVar = EVERY_TASK

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        return (student.outputs - teacher.outputs).abs().sum() / self.setting.scale
'''
LOSS_TEST = '''"""The loss of the benchmark of extending."""

import numpy as np

from contracts.objective_contract import Floats, Ints, Numbers, ObjectiveContract


class TestLogitDistance(ObjectiveContract):
    """Absolute differences."""

    name = "logit-distance"
    matches_layers = False
    at_teacher = ({}, 0.0)

    def reference(self, student: Numbers, teacher: Numbers, labels: Ints, progress: float) -> Floats:
        return np.abs(student.logits - teacher.logits).sum(axis=1)
'''
BLOCK = '''"""A product of each token alone, for the benchmark of extending."""

from torch import Tensor, nn

from compressor.encoder.arrays import array
from compressor.encoder.blocks.base import Block, MaskNames, Masks
from compressor.encoder.graph import GraphBuilder
from compressor.records.architecture import Architecture


class Dense(Block):
    """W x + b."""

    source = "none: an example"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.product = nn.Linear(self.width, self.width)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """See `Block`."""
        result: Tensor = self.product(x)
        return result

    def emit(self, graph: GraphBuilder, x: str, masks: MaskNames, name: str) -> str:
        """See `Block`."""
        return graph.linear(x, array(self.product.weight).T, array(self.product.bias), name)
'''
BLOCK_TEST = '''"""The block of the benchmark of extending."""

from contracts.block_contract import WIDTH, BlockContract


class TestDense(BlockContract):
    """A product."""

    name = "dense"

    def operations(self, length: int) -> int:
        return 2 * length * WIDTH**2
'''


def files_of_a_new_loss() -> list[str]:
    """Paths of what was added or changed; its contract holds, and it is listed.

    Raises:
        RuntimeError: It does not work.
    """
    registry = "compressor/distill/objectives/registry.py"
    changes = [
        (
            "from compressor.distill.objectives.nas_kd import NASKD\n",
            "from compressor.distill.objectives.distance import LogitDistance\n",
        ),
        ("EVERY: tuple[type[Objective], ...] = (\n", "    LogitDistance,\n"),
    ]
    added = {
        "compressor/distill/objectives/distance.py": LOSS,
        "tests/distill/objectives/test_distance.py": LOSS_TEST,
    }
    return _extended(registry, changes, added, "tests/distill/objectives/test_distance.py", "logit-distance")


def files_of_a_new_block() -> list[str]:
    """The same of a block; it gets its entry in the latency table, its place in the search and its int8 without more.

    Raises:
        RuntimeError: It does not work.
    """
    registry = "compressor/encoder/blocks/__init__.py"
    changes = [
        (
            "from compressor.encoder.blocks.convolution import Convolution\n",
            "from compressor.encoder.blocks.dense import Dense\n",
        ),
        ("BLOCKS: dict[str, Callable[[Architecture], Block]] = {\n", '    "dense": Dense,\n'),
    ]
    added = {"compressor/encoder/blocks/dense.py": BLOCK, "tests/encoder/test_dense.py": BLOCK_TEST}
    return _extended(registry, changes, added, "tests/encoder/test_dense.py", "dense")


def _extended(registry: str, changes: list[tuple[str, str]], added: dict[str, str], test: str, name: str) -> list[str]:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "checkout"
        shutil.copytree(
            CHECKOUT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", ".rows", ".peers", "__pycache__")
        )
        text = (copy / registry).read_text(encoding="utf-8")
        for behind, line in changes:
            if behind not in text:
                raise RuntimeError(f"{registry} has no line {behind!r} any more: say where a new one goes now")
            text = text.replace(behind, behind + line, 1)
        (copy / registry).write_text(text, encoding="utf-8")
        for path, content in added.items():
            (copy / path).write_text(content, encoding="utf-8")
        _run(copy, "pytest", "-q", "-p", "no:cacheprovider", test)
        if name not in _run(copy, "compressor", "methods"):
            raise RuntimeError(f"{name} is not listed")
    return sorted([registry, *added])


def _run(copy: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout

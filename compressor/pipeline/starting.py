"""What is cut beside the teacher, or in its place: networks that the user names, and students of higher limits."""

import shutil
from pathlib import Path

from safetensors.torch import save_file

from compressor.errors import InputError
from compressor.pipeline.checking import gives_same_tokens
from compressor.pipeline.stages import weights_path
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture
from compressor.records.request import Assistant
from compressor.records.stages import Source
from compressor.tasks import TextTokenizer
from compressor.teachers import FAMILIES, load_base, read_config


def assistant(bench: Workbench, given: Assistant, *, tag: str) -> Source:
    """A student of a higher limit, in this run's folder."""
    shutil.copyfile(given.weights, weights_path(bench, tag))
    return Source(tag, given.architecture, bench.root.architecture)


def start(bench: Workbench, folder: Path, *, tag: str) -> tuple[Architecture, Path]:
    """A network that the user names: its shape and its weights, with a head for the teacher's task.

    Args:
        bench: What all stages share.
        folder: In the layout of `save_pretrained`; a classifier that does not fit the task is made anew.
        tag: Of its file in the run folder.

    Raises:
        InputError: It cannot be read, is of a family without an adapter, or its tokenizer is not the teacher's.
    """
    family = read_config(folder).get("model_type")
    if family not in FAMILIES:
        raise InputError(f"--start {folder}: expected one of {', '.join(FAMILIES)}, found {family!r}")
    network = load_base(folder, bench.teacher.label_names, kind=bench.teacher.kind, seed=bench.request.seed)
    shape = network.architecture
    _check(bench, folder, shape)
    path = bench.run.file(f"given{tag}.safetensors")
    save_file(network.encoder.state_dict(), path)
    return shape, path


def _check(bench: Workbench, folder: Path, shape: Architecture) -> None:
    """The student gets the teacher's tokens, as many as its engine takes."""
    teacher = bench.root.architecture
    if shape.positions < teacher.positions:
        raise InputError(
            f"--start {folder}: expected at least the teacher's {teacher.positions} positions, found {shape.positions}"
        )
    if not gives_same_tokens(bench, TextTokenizer(folder)):
        raise InputError(
            f"--start {folder}: expected the teacher's tokenizer, found one that gives other tokens; a student takes "
            "the teacher's, so only networks of the same vocabulary can be cut"
        )

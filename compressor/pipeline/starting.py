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
from compressor.records.units import format_bytes
from compressor.tasks import TextTokenizer
from compressor.teachers import FAMILIES, load_base, read_config


def assistant(bench: Workbench, given: Assistant, *, tag: str) -> Source:
    """A student of a higher limit, in this run's folder."""
    shutil.copyfile(given.weights, weights_path(bench, tag))
    return Source(tag, given.architecture, bench.root.architecture)


def check_starts(bench: Workbench) -> None:
    """Refuse networks of `--start` that no student can be cut out of, before anything is measured.

    Raises:
        InputError: One is of a family without an adapter, takes shorter texts than the teacher, or its tokenizer is
            not the teacher's; or `--max-size` has made the teacher's vocabulary smaller than that of any network; or
            the teacher cannot be cut itself.
    """
    if not bench.request.starts:
        return
    if bench.teacher.architecture is None:
        raise InputError(
            f"--start: expected a teacher of one of these families: {', '.join(FAMILIES)}; nothing is cut beside one "
            f"that cannot be cut itself, and {bench.request.teacher} is of another family; leave --start out"
        )
    if bench.trimmed_from is not None:
        raise InputError(
            f"--start and --max-size {format_bytes(bench.request.budget.max_size_bytes or 0)} do not go together: so "
            "small an engine has a vocabulary of its own, and a network of --start would need the same; leave --start "
            "out, or give a larger --max-size"
        )
    for folder in map(Path, bench.request.starts):
        if (family := read_config(folder).get("model_type")) not in FAMILIES:
            raise InputError(f"--start {folder}: expected one of {', '.join(FAMILIES)}, found {family!r}")
    for name, shape in zip(bench.request.starts, bench.starts, strict=True):
        _check(bench, Path(name), shape)


def _check(bench: Workbench, folder: Path, shape: Architecture) -> None:
    """The student gets the teacher's tokens, as many as its engine takes."""
    positions = bench.canonical.architecture.positions
    if shape.positions < positions:
        raise InputError(
            f"--start {folder}: expected at least the teacher's {positions} positions, found {shape.positions}"
        )
    if not gives_same_tokens(bench, TextTokenizer(folder)):
        raise InputError(
            f"--start {folder}: expected the teacher's tokenizer, found one that gives other tokens; a student takes "
            "the teacher's, so only networks of the same vocabulary can be cut"
        )


def start(bench: Workbench, folder: Path, *, tag: str) -> tuple[Architecture, Path]:
    """A network that the user names: its shape and its weights, with a head for the teacher's task.

    Args:
        bench: What all stages share.
        folder: In the layout of `save_pretrained`; a classifier that does not fit the task is made anew.
        tag: Of its file in the run folder.

    Raises:
        InputError: It cannot be read.
    """
    network = load_base(folder, bench.teacher.label_names, kind=bench.teacher.kind, seed=bench.request.seed)
    path = bench.run.file(f"given{tag}.safetensors")
    save_file(network.encoder.state_dict(), path)
    return network.architecture, path

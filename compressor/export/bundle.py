"""The bundle on disk, written beside its place and moved there whole."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from compressor.errors import InputError
from compressor.export.config import student_config
from compressor.export.evaluation import EvaluationData
from compressor.export.hashing import file_hashes
from compressor.records.architecture import Architecture
from compressor.records.latency import CompileOptions
from compressor.records.results import Manifest
from compressor.records.serial import save
from compressor.runtimes.base import Device
from compressor.tasks.tokenizer import TOKENIZER_CONFIG, TOKENIZER_FILES

MODEL, ENGINE, EVALUATION, MANIFEST = "model.onnx", "engine.onnx", "evaluation.npz", "manifest.json"
REPORT, EVIDENCE, PAGE = "report.json", "evidence.json", "report.html"


def check_output(output: Path, *, force: bool) -> None:
    """Refuse, before anything is computed, a place that a bundle cannot be moved to.

    Raises:
        InputError: Something else is there and `--force` was not given, or the parent is not writable.
    """
    if output.exists() and not force and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output: {output} is there and not empty; give another folder, or --force to replace it")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        probe = output.parent / f".{output.name}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--output: cannot write to {output.parent}: {error.strerror}; give another folder"
        ) from error


def write_models(folder: Path, model: onnx.ModelProto, device: Device, options: CompileOptions) -> CompileOptions:
    """Write the portable model and the target's engine; returns the options that load the engine."""
    folder.mkdir(parents=True, exist_ok=True)
    data = model.SerializeToString()
    (folder / MODEL).write_bytes(data)
    return device.save_engine(data, options, folder / ENGINE)


def write_texts(folder: Path, teacher: Path, config: Mapping[str, Any], shape: Architecture | None) -> None:
    """Write config.json for the student and copy the tokenizer, in the layout of `transformers`.

    Without a shape the model is the teacher itself, and so is its config.
    """
    student = config if shape is None else student_config(config, shape)
    (folder / "config.json").write_text(_json(student), encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (teacher / name).exists():
            shutil.copyfile(teacher / name, folder / name)
    if shape is not None and (folder / TOKENIZER_CONFIG).exists():
        _pad_on_the_right(folder / TOKENIZER_CONFIG)


def _pad_on_the_right(path: Path) -> None:
    """What the canonical encoder expects: its positions count from the first token, whatever the mask says."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # which nobody can read a side from
        return
    if isinstance(settings, dict) and settings.get("padding_side", "right") != "right":
        path.write_text(_json({**settings, "padding_side": "right"}), encoding="utf-8")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def tokenizer_bytes(folder: Path) -> int:
    """Size of the tokenizer files that a bundle takes from a teacher or has."""
    return sum((folder / name).stat().st_size for name in TOKENIZER_FILES if (folder / name).exists())


def write_evaluation(folder: Path, evaluation: EvaluationData) -> None:
    """Write what `verify` needs to check the accuracy again."""
    evaluation.save(folder / EVALUATION)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest with the hashes of all files that are there now; returns it with them."""
    complete = replace(manifest, files=file_hashes(folder, leave_out=frozenset({MANIFEST})))
    save(complete, folder / MANIFEST)
    return complete


def move_into_place(folder: Path, output: Path) -> None:
    """Copy the finished bundle beside its place and rename it there; an old one is removed only then."""
    fresh = output.parent / f".{output.name}.new"
    _remove(fresh)
    try:
        shutil.copytree(folder, fresh)
    except OSError:  # half a bundle would only take the room that is missing
        _remove(fresh)
        raise
    if output.exists():
        old = output.parent / f".{output.name}.old"
        _remove(old)
        output.rename(old)
        fresh.rename(output)
        _remove(old)
    else:
        fresh.rename(output)


def _remove(path: Path) -> None:
    """Whatever it is: what `--force` replaces need not be a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

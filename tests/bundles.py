"""Bundles of the tiny teacher, made by the functions of `export` alone, on the fake device."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tiny import LABELS, read_split

from compressor import __version__
from compressor.encoder import INPUTS
from compressor.export import (
    ENGINE,
    MANIFEST,
    EvaluationData,
    file_hashes,
    write_evaluation,
    write_manifest,
    write_models,
    write_texts,
)
from compressor.export.graphs import final_graph
from compressor.profiles import fingerprint
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Budget, Workload
from compressor.records.results import Manifest
from compressor.records.serial import load, save
from compressor.records.task import TaskSpec
from compressor.runtimes.fake import FakeDevice
from compressor.tasks import Targets
from compressor.tasks.outputs import engine_outputs
from compressor.teachers import load_teacher

TASK = TaskSpec("text-classification", ("sentence",), "label", LABELS, "accuracy", "test")
ROWS = 40


def make_bundle(
    folder: Path, teacher: Path, data: Path, *, precision: Precision = Precision.INT8, budget: Budget | None = None
) -> Manifest:
    """The teacher itself as a student, verified against its own fp32 outputs."""
    device, loaded = FakeDevice(), load_teacher(teacher)
    encoder = loaded.encoder
    options = write_models(folder, final_graph(encoder, precision), device, CompileOptions(1))
    tokens, labels = read_split(teacher, data, "test")
    tokens, labels = tokens.select(np.arange(ROWS)), labels[:ROWS]
    fp32 = device.compile(final_graph(encoder, Precision.FP32).SerializeToString(), options)
    reference = engine_outputs(fp32, tokens, pad_id=0, batch_tokens=2048)
    own = engine_outputs(device.compile(folder / ENGINE, options), tokens, pad_id=0)
    write_texts(folder, teacher, loaded.config, encoder.architecture)
    write_evaluation(folder, EvaluationData(tokens, Targets(labels), reference, reference, own))
    manifest = Manifest(
        version=__version__,
        files={},
        engine=ENGINE,
        inputs=INPUTS,
        runtime=device.runtime,
        options=options,
        device=fingerprint().key,
        device_model=fingerprint().model,
        workload=Workload(1, 16, 1),
        budget=budget or Budget(),
        task=TASK,
        teacher_digest=loaded.digest,
        data_digest="0",
        precision=precision,
        architecture=encoder.architecture,
        max_length=encoder.architecture.positions,
        pad_id=0,
        emitted_difference=1e-6,
        seed=0,
    )
    return write_manifest(folder, manifest)


def edit_manifest(folder: Path, **changes: object) -> Manifest:
    """Other fields in the manifest, the files left as they are."""
    changed = replace(load(Manifest, folder / MANIFEST), **changes)  # type: ignore[arg-type]
    save(changed, folder / MANIFEST)
    return changed


def rehash(folder: Path) -> Manifest:
    """What somebody would do who changes a file and makes the hashes consistent again."""
    return edit_manifest(folder, files=file_hashes(folder, leave_out=frozenset({MANIFEST})))


def edit_json(path: Path, **changes: object) -> None:
    """Other values in a JSON object."""
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")

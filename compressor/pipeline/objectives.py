"""What a training with losses by name needs on disk: the labels of every row, and the teacher's weights."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from compressor.distill.job import ObjectiveJob, Stored, StoredEncoder
from compressor.pipeline.workbench import Workbench
from compressor.records.distillation import DistillRecipe
from compressor.tasks.targets import UNKNOWN


def objective_job(bench: Workbench, losses: DistillRecipe, student: Stored, *, batch: int) -> ObjectiveJob:
    """The training of a student.

    Args:
        bench: What all stages share; its text is labelled.
        losses: Completed.
        student: Where it starts.
        batch: Rows per step.

    Raises:
        InputError: A loss cannot match this student with its teacher.
    """
    labels = bench.run.file("labels.npy")
    np.save(labels, hard_labels(bench))
    teacher = bench.canonical.encoder
    job = ObjectiveJob(
        student=student,
        teacher=StoredEncoder(teacher.architecture, _teacher_weights(bench)),
        kind=bench.teacher.kind,
        recipe=losses,
        tokens=bench.run.file("tokens"),
        labels=labels,
        logits=bench.run.file("logits.npy"),
        batch=batch,
        seed=bench.request.seed,
        pad_id=bench.pad_id,
    )
    job.check()
    return job


def hard_labels(bench: Workbench) -> NDArray[np.int64] | NDArray[np.float64]:
    """A label for everything that is trained on, as `logits.npy`: the data's, else the teacher's answer.

    Changed copies of a row say something else than the row, so they have none of their own; nor have texts without
    labels. Of a per-token teacher every token of such a text is answered.
    """
    answers, given = np.load(bench.run.file("logits.npy"), mmap_mode="r"), bench.labelled_targets.values
    labels: NDArray[np.int64] | NDArray[np.float64]
    if bench.teacher.kind == "regression":
        labels = answers[:, 0].astype(np.float64)
    else:
        labels = answers.argmax(axis=1).astype(np.int64)
    # Values of a regression are float64; int64 are classes, or all unknown.
    known = (given != UNKNOWN) | (given.dtype == np.float64)
    labels[: len(given)][known] = given[known]
    return labels


def _teacher_weights(bench: Workbench) -> Path:
    path = bench.run.file("teacher.safetensors")
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        save_file(bench.canonical.encoder.state_dict(), partial)
        partial.replace(path)
    return path

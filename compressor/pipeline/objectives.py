"""What a training with losses by name needs on disk: labels, and the weights and answers of what is learnt from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from compressor.distill.job import ObjectiveJob, Stored, StoredEncoder
from compressor.distill.objectives import Combined, Setting, by_assistant, deepest, in_order
from compressor.distill.recipe import REPAIR, WHOLE, Part
from compressor.encoder import sizes_of
from compressor.errors import InputError
from compressor.pipeline.labelling import answers_path, text_rows
from compressor.pipeline.stages import weights_path
from compressor.pipeline.workbench import Workbench
from compressor.records.distillation import DistillRecipe
from compressor.records.stages import Source
from compressor.tasks import IGNORED, Tokens
from compressor.tasks.targets import UNKNOWN


def check_losses(bench: Workbench) -> None:
    """Refuse losses that cannot train students of this teacher, before anything is measured.

    Raises:
        InputError: The recipe cannot be trained, or not for this task or teacher; or a network that `--start` names is
            deeper than the teacher that its layers would be matched with.
    """
    losses, teacher = bench.losses, bench.teacher.architecture
    if losses is None or teacher is None:
        return
    sizes = sizes_of(teacher)
    Combined(losses, Setting(sizes, sizes, bench.teacher.kind))
    if deepest(losses, sizes.layers) is None:
        return
    for folder, shape in zip(bench.request.starts, bench.starts, strict=True):
        if (depth := len(shape.layers)) > sizes.layers:
            raise InputError(
                f"--start {folder}: expected at most {sizes.layers} layers, as many as the teacher has, since "
                f"--distill {', '.join(in_order(losses))} matches them in order, found {depth}; leave one of them out"
            )


def hops(bench: Workbench) -> bool:
    """Whether students learn from what they were cut out of, and every cut is made in two."""
    return bench.losses is not None and by_assistant(bench.losses)


def objective_job(
    bench: Workbench,
    losses: DistillRecipe,
    student: Stored,
    *,
    batch: int,
    part: Part = WHOLE,
    source: Source | None = None,
) -> ObjectiveJob:
    """The training of a student.

    Args:
        bench: What all stages share; its text is labelled.
        losses: Completed.
        student: Where it starts.
        batch: Rows per step.
        part: Which training of those that the recipe knows; one that only mends begins where schedules are settled.
        source: What the student was cut out of, which some losses learn from; None = the teacher.

    Raises:
        InputError: A loss cannot match this student with its teacher.
    """
    labels = bench.run.file("labels.npy")
    np.save(labels, hard_labels(bench, _given(bench)))
    assistant = source if by_assistant(losses) else None
    job = ObjectiveJob(
        student=student,
        teacher=_learnt_from(bench, assistant),
        kind=bench.teacher.kind,
        recipe=losses,
        tokens=bench.run.file("tokens"),
        labels=labels,
        logits=answers_path(bench, assistant),
        batch=batch,
        seed=bench.request.seed,
        pad_id=bench.pad_id,
    )
    job.check()
    return replace(job, begin=job.settled) if part == REPAIR else job


def hard_labels(bench: Workbench, given: NDArray[Any]) -> NDArray[np.int64] | NDArray[np.float64]:
    """A label for everything that is trained on, as `logits.npy`: the data's, else the teacher's answer.

    Changed copies of a row say something else than the row, so they have none of their own; nor have texts without
    labels. Of a per-token teacher every token of such a text is answered but special ones: where a word that was
    changed begins is not known.

    Args:
        bench: What all stages share; its text is labelled.
        given: The data's labels of the first rows, flat of a per-token task.
    """
    answers = np.load(bench.run.file("logits.npy"), mmap_mode="r")
    labels: NDArray[np.int64] | NDArray[np.float64]
    if bench.teacher.kind == "regression":
        labels = answers[:, 0].astype(np.float64)
    else:
        labels = answers.argmax(axis=1).astype(np.int64)
    if bench.teacher.kind == "token-classification":
        labels[_special(bench, given=len(given))] = IGNORED
    # Values of a regression are float64; int64 are classes, or all unknown.
    known = (given != UNKNOWN) | (given.dtype == np.float64)
    labels[: len(given)][known] = given[known]
    return labels


def _given(bench: Workbench) -> NDArray[Any]:
    """The labels of what is trained on, flat of a per-token task; texts without come last, and are left out."""
    targets, rows = bench.labelled_targets, text_rows(bench)
    return targets.select(rows[rows < len(targets)]).values


def _special(bench: Workbench, *, given: int) -> NDArray[np.bool_]:
    """Tokens that are no text, [tokens]; in rows of the data the labels say themselves what counts."""
    special = np.isin(Tokens.load(bench.run.file("tokens")).ids, list(bench.tokenizer.special_ids))
    special[:given] = False
    return special


def _learnt_from(bench: Workbench, assistant: Source | None) -> StoredEncoder:
    if assistant is not None:
        return StoredEncoder(assistant.architecture, weights_path(bench, assistant.tag))
    return StoredEncoder(bench.canonical.encoder.architecture, _teacher_weights(bench))


def _teacher_weights(bench: Workbench) -> Path:
    path = bench.run.file("teacher.safetensors")
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        save_file(bench.canonical.encoder.state_dict(), partial)
        partial.replace(path)
    return path

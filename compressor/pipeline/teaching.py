"""In front of the stages: names to folders, and a teacher where the model is none yet.

model with a classifier    -> the model, with the names of its classes where only the data knows them
model without              -> fine-tuned on the data, once: kept in the cache under the content of both

teachers/KEY/  teacher/  finetune.json  choices.jsonl  (while it is trained: checkpoint.safetensors ...)
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from compressor.hub import LABEL_NAMES, data_folder, expand_alias, expand_model, model_folder
from compressor.pipeline.finetune import TRAINED, FineTuned, batch_of, crew_in, fit_teacher
from compressor.pipeline.workbench import Workbench
from compressor.records.serial import digest
from compressor.records.store import RunFolder
from compressor.tasks import TextData, carve, read_task
from compressor.teachers import Teacher, load_base
from compressor.teachers.heads import is_headless
from compressor.teachers.named import with_class_names
from compressor.teachers.saving import save_teacher

EPOCHS = 3.0
SHARE_OF_BUDGET = 0.5  # of the time budget; the rest is for the student
RECORD = "finetune"
BUDGET = "finetune.time_budget_s"  # name of a choice: that of the run that made the teacher


def provide_teacher(bench: Workbench) -> None:
    """Resolve the names of teacher and data, and fine-tune the teacher first if it has no classifier.

    From here on the request names folders. The time that this takes counts as time of the run.

    Raises:
        InputError: A name that is none, or a model or data that cannot be used.
        UnavailableError: The hub cannot be reached.
    """
    _resolve(bench)
    if not is_headless(Path(bench.request.teacher)):
        _name_classes(bench)
        return
    base, task = _base_and_task(bench)
    work = _work_folder(bench, base, task)
    _fine_tune(bench, base, task, work)
    _use(bench, work.file("teacher"))


@contextmanager
def untrained_teacher(bench: Workbench) -> Iterator[bool]:
    """For a plan: as `provide_teacher`, but a teacher that would have to be trained gets a random head instead.

    Yields:
        Whether it would have to be trained.
    """
    _resolve(bench)
    if not is_headless(Path(bench.request.teacher)):
        _name_classes(bench)
        yield False
        return
    base, task = _base_and_task(bench)
    work = _work_folder(bench, base, task)
    if work.finished(RECORD) and not _worth_training_anew(bench, task, work):
        _use(bench, work.file("teacher"))
        yield False
        return
    with tempfile.TemporaryDirectory(prefix="compressor-") as name:
        _save(base, task, Path(name))
        _use(bench, Path(name))
        yield True


def _resolve(bench: Workbench) -> None:
    """Names to folders."""
    request, cache, observer = bench.request, bench.cache, bench.observer
    model_name, data_name = expand_alias(request.teacher, request.data)
    model = model_folder(model_name, cache=cache, observer=observer)
    data = data_folder(data_name, cache=cache, observer=observer)
    starts = (model_folder(expand_model(name), cache=cache, observer=observer) for name in request.starts)
    bench.request = replace(request, teacher=str(model), data=str(data), starts=tuple(map(str, starts)))


def _name_classes(bench: Workbench) -> None:
    """Give the teacher the names of its classes, where only the data has them."""
    names = Path(bench.request.data) / LABEL_NAMES
    if names.is_file():
        classes = json.loads(names.read_text(encoding="utf-8"))
        named = bench.cache / "teachers" / "named"
        _use(bench, with_class_names(Path(bench.request.teacher), classes, cache=named))


def _use(bench: Workbench, teacher: Path) -> None:
    bench.request = replace(bench.request, teacher=str(teacher))


def _base_and_task(bench: Workbench) -> tuple[Teacher, TextData]:
    """The model with a random head for the labels of the data."""
    request = bench.request
    task = read_task(
        Path(request.data),
        task=request.task,
        text_columns=request.text_columns,
        label_column=request.label_column,
        metric=request.metric,
        eval_split=request.eval_split,
        agreement=False,
    )
    carve(task.splits["train"], seed=request.seed)  # data that the run will refuse is refused before the training
    base = load_base(Path(request.teacher), task.spec.label_names, kind=task.spec.kind, seed=request.seed)
    return base, task


def _work_folder(bench: Workbench, base: Teacher, task: TextData) -> RunFolder:
    """Keyed by the content of everything that decides the teacher, but for the time that there was."""
    key = digest(base.digest, task.digest, task.spec, bench.request.seed, EPOCHS)
    return RunFolder(bench.cache / "teachers" / key)


def _fine_tune(bench: Workbench, base: Teacher, task: TextData, work: RunFolder) -> None:
    """Make the teacher, unless it is there; one that had too little time then and has more now is made anew."""
    with work.held(fresh=_worth_training_anew(bench, task, work)):
        if work.finished(RECORD):
            bench.observer.begin(RECORD, f"fine-tune {base.folder}")
            bench.observer.end(RECORD, 0.0, cached=True)
        else:
            seed, left = bench.request.seed, _seconds_left(bench)
            work.choose(BUDGET, lambda: bench.request.time_budget_s)
            made = fit_teacher(base, task, work, epochs=EPOCHS, observer=bench.observer, seed=seed, seconds=left)
            work.save(RECORD, made)
            _tidy(work)
        made = work.load(RECORD, FineTuned)
    bench.observer.note(f"teacher: {made.metric} {made.points:.2f} on `{made.eval_split}`, in {work.file('teacher')}")


def _seconds_left(bench: Workbench) -> float:
    """For the teacher's training."""
    return SHARE_OF_BUDGET * bench.request.time_budget_s - bench.elapsed


def _worth_training_anew(bench: Workbench, task: TextData, work: RunFolder) -> bool:
    """Whether the time budget is larger than that of a kept teacher, and has room for all steps or twice as many.

    That it was trained for fewer steps than are wanted is said in any case. With the same budget it stays: the same
    command must go on with the teacher that it began with.
    """
    steps = work.chosen("finetune.steps") if work.finished(RECORD) else None
    if steps is None or steps >= (wanted := _wanted_steps(task, work)):
        return False
    affordable = int(_seconds_left(bench) * work.chosen("finetune.examples_per_second") / _batch(work))
    larger = bool(bench.request.time_budget_s > work.chosen(BUDGET))
    anew = larger and affordable >= min(wanted, 2 * steps)
    then = f"it is trained anew, for about {min(affordable, wanted)}" if anew else "a longer --time-budget does more"
    bench.observer.note(
        f"the teacher in {work.file('teacher')} was trained for {steps} of {wanted} steps, as its time budget "
        f"allowed; {then}"
    )
    return anew


def _wanted_steps(task: TextData, work: RunFolder) -> int:
    """Of EPOCHS passes, as `fit_teacher` counts them."""
    return max(1, round(EPOCHS * len(task.splits["train"]) / _batch(work)))


def _batch(work: RunFolder) -> int:
    return batch_of(crew_in(work))


def _tidy(work: RunFolder) -> None:
    """Remove what only the training needed; its weights alone are three times the teacher."""
    shutil.rmtree(work.file("tokens"))
    for name in ("labels.npy", "start.safetensors", TRAINED):
        work.file(name).unlink()


def _save(base: Teacher, task: TextData, folder: Path) -> None:
    save_teacher(base.encoder, base.family, base.config, task.spec.label_names, tokenizer=base.folder, folder=folder)

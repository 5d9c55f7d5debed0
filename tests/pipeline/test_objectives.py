"""Whole runs with losses by name: what students are trained with, and the labels of text that has none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from safetensors.torch import load_file
from tiny import ROWS, Watcher

from compressor.distill.job import ObjectiveJob
from compressor.encoder import Encoder
from compressor.errors import InputError
from compressor.pipeline import StoppedError, distilling
from compressor.pipeline.memory import training_bytes
from compressor.pipeline.objectives import hard_labels
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Precision
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.recipe import Recipe
from compressor.records.serial import load
from compressor.records.stages import Finalists

FAST = Recipe(race=False, augmented=False)


@pytest.mark.parametrize("name", ["vanilla-kd", "tinybert"])
def test_a_student_is_trained_with_the_losses_that_were_named(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, name: str
) -> None:
    watcher, recipe = Watcher(), DistillRecipe.named(name)
    request = replace(ask(TIGHT * teacher_ms[Precision.INT8]), distill=recipe, recipe=FAST)
    with pytest.raises(StoppedError):
        run(request, watcher=watcher, stop_after="distil")
    assert any(note.startswith(f"losses: 1 x {name} (") for note in watcher.notes)
    folder = run_folder(tmp_path / "cache")
    student = load(Finalists, folder / "search.json").students[0].architecture
    trained = load_file(folder / "student.safetensors")
    assert set(trained) == set(Encoder(student).state_dict())
    inherited = load_file(folder / "inherited.safetensors")
    tables = "embeddings.word.weight"
    assert any(not np.array_equal(trained[key], inherited[key]) for key in trained if key != tables)
    # TinyBERT's loss on embeddings trains them, all others leave them alone.
    assert np.array_equal(trained[tables], inherited[tables]) == (name != "tinybert")


def test_a_race_is_run_with_them_too(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[object] = []
    real = distilling.train

    def watched(job: object, *rest: object, **named: object) -> None:
        seen.append(job)
        real(job, *rest, **named)

    monkeypatch.setattr(distilling, "train", watched)
    request = replace(
        ask(TIGHT * teacher_ms[Precision.INT8]),
        distill=DistillRecipe.named("pkd-skip"),
        recipe=Recipe(augmented=False),
    )
    with pytest.raises(StoppedError):
        run(request, stop_after="distil")
    finalists = load(Finalists, run_folder(tmp_path / "cache") / "search.json")
    assert len(seen) == len(finalists.students) + 1
    assert all(isinstance(job, ObjectiveJob) for job in seen)
    assert {str(job.recipe) for job in seen if isinstance(job, ObjectiveJob)} == {
        "1 x vanilla-kd (alpha 0.5, temperature 10) + 0.1 x pkd-skip"
    }


def bench_with(request: object, tmp_path: Path) -> Workbench:
    return Workbench(request, cache=tmp_path / "cache", observer=Watcher())


def test_copies_have_the_labels_that_the_teacher_gives_them(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path
) -> None:
    request = replace(ask(TIGHT * teacher_ms[Precision.INT8]), recipe=Recipe(race=False))
    with pytest.raises(StoppedError):
        run(request, stop_after="label")
    bench, path = bench_with(request, tmp_path), run_folder(tmp_path / "cache") / "logits.npy"
    np.save(path, -np.load(path))  # a teacher that is always wrong, so that its answers are not the labels
    answers = np.load(path).argmax(1)
    labels, given = hard_labels(bench), bench.labelled_targets.values
    rows = ROWS["train"] - ROWS["train"] // 10
    assert len(given) == rows < len(labels) == len(answers)
    assert np.array_equal(labels[:rows], given)
    assert np.array_equal(labels[rows:], answers[rows:])
    assert not np.array_equal(answers[:rows], given)
    assert labels.dtype == np.int64


class Text:
    """As much of a workbench as labels need."""

    def __init__(self, folder: Path, kind: str, given: np.ndarray, answers: np.ndarray) -> None:
        np.save(folder / "logits.npy", answers)
        self._folder = folder
        self.run, self.teacher, self.labelled_targets = self, self, self
        self.kind, self.values = kind, given

    def file(self, name: str) -> Path:
        return self._folder / name


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("text-classification", np.array([1, -1]), [1, 1, 0]),
        ("token-classification", np.array([-100, -1]), [-100, 1, 0]),
        ("regression", np.array([-1.0, 0.5]), [-1.0, 0.5, 5.0]),
        ("regression", np.array([-1, -1]), [-2.0, 1.0, 5.0]),
    ],
    ids=["classes", "tags", "scores", "unlabelled scores"],
)
def test_where_the_data_has_no_label_the_teacher_answers(
    kind: str, given: np.ndarray, expected: list[float], tmp_path: Path
) -> None:
    answers = np.array([[-2.0, 0], [1, 2], [5, 4]], dtype=np.float32)
    text = Text(tmp_path, kind, given, answers[:, :1] if kind == "regression" else answers)
    assert hard_labels(text).tolist() == expected


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (DistillRecipe.named("vanila-kd"), r"found 'vanila-kd'; did you mean 'vanilla-kd'\?"),
        (DistillRecipe.named("tinybert", "vanilla-kd"), "tinybert decides by itself"),
        (DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 2.0),)),)), "alpha: expected at least 0 and at most 1"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused_before_anything_begins(
    ask: Ask, run: Run, recipe: DistillRecipe, message: str
) -> None:
    watcher = Watcher()
    with pytest.raises(InputError, match=message):
        run(replace(ask(1.0), distill=recipe, teacher="nowhere"), watcher=watcher)
    assert watcher.begun == []


def test_what_is_not_for_the_task_is_refused_before_anything_is_measured(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_with(replace(ask(1.0), distill=DistillRecipe.named("label-smoothing")), tmp_path)
    assert bench.losses is not None
    assert not bench.beside_teacher
    other = bench_with(bench.request, tmp_path)
    monkeypatch.setattr(type(other.teacher), "kind", "regression")
    with pytest.raises(InputError, match=r"label-smoothing: expected a task of .* found regression"):
        _ = other.losses


def test_a_recipe_without_distillation_has_no_losses(ask: Ask, tmp_path: Path) -> None:
    request = replace(ask(1.0), recipe=Recipe(distilled=False), distill=DistillRecipe.named("pkd-skip"))
    with pytest.raises(InputError, match="without distillation has no losses: found pkd-skip; leave one of them out"):
        _ = bench_with(request, tmp_path).losses


def test_a_teacher_that_runs_along_takes_memory_in_every_rank(ask: Ask, tmp_path: Path) -> None:
    assert training_bytes(100, ranks=4, beside_teacher=True) - training_bytes(100, ranks=4) == 400
    for name, beside in (("vanilla-kd", False), ("nas-kd", True), ("tinybert", True)):
        assert bench_with(replace(ask(1.0), distill=DistillRecipe.named(name)), tmp_path).beside_teacher == beside
    assert not bench_with(ask(1.0), tmp_path).beside_teacher

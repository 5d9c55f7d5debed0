"""Whole runs with losses by name: what students are trained with, and the labels of text that has none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from safetensors.torch import load_file
from tiny import ROWS, Watcher

from compressor.distill.job import ObjectiveJob
from compressor.distill.recipe import ASSISTANT, BEHIND_ASSISTANT, REPAIR, WHOLE
from compressor.encoder import INPUTS, Encoder
from compressor.errors import ExitCode, InputError
from compressor.export import PAGE
from compressor.pipeline import StoppedError, distilling, plan_for
from compressor.pipeline.memory import training_bytes
from compressor.pipeline.objectives import check_losses, hard_labels
from compressor.pipeline.run import check_request
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Precision
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.recipe import Recipe
from compressor.records.serial import load
from compressor.records.stages import Finalists
from compressor.tasks import Tokens
from compressor.verification import read_manifest

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
    given = bench.labelled_targets.values
    labels = hard_labels(bench, given)
    rows = ROWS["train"] - ROWS["train"] // 10
    assert len(given) == rows < len(labels) == len(answers)
    assert np.array_equal(labels[:rows], given)
    assert np.array_equal(labels[rows:], answers[rows:])
    assert not np.array_equal(answers[:rows], given)
    assert labels.dtype == np.int64


class Text:
    """As much of a workbench as labels need."""

    special_ids = frozenset({2, 3})

    def __init__(self, folder: Path, kind: str, answers: np.ndarray, ids: tuple[int, ...] = (5, 5, 5)) -> None:
        np.save(folder / "logits.npy", answers)
        total = len(ids)
        tokens = Tokens(np.array(ids, dtype=np.int32), np.zeros(total, dtype=np.uint8), np.array([0, total]))
        tokens.save(folder / "tokens")
        self._folder = folder
        self.run, self.teacher, self.tokenizer = self, self, self
        self.kind = kind

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
    text = Text(tmp_path, kind, answers[:, :1] if kind == "regression" else answers)
    assert hard_labels(text, given).tolist() == expected


def test_of_words_that_nobody_labelled_special_tokens_are_not_answered(tmp_path: Path) -> None:
    """In rows of the data the labels say what counts, an unknown word among them, whose token is special too."""
    answers = np.tile(np.array([[0.0, 1.0]], dtype=np.float32), (8, 1))
    ids, given = (2, 3, 7, 3, 2, 7, 8, 3), np.array([-100, -1, 0, -100])
    text = Text(tmp_path, "token-classification", answers, ids)
    assert hard_labels(text, given).tolist() == [-100, 1, 0, -100, -100, 1, 1, -100]


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


@pytest.mark.parametrize(
    ("search", "recipe", "message"),
    [
        ("nas-kd", DistillRecipe.named("tinybert"), "tinybert: .* which the cells of --search nas-kd do not have"),
        ("nas-kd", DistillRecipe.named("teacher-assistant"), "--search nas-kd cuts no network; use vanilla-kd"),
        ("evolution", DistillRecipe.named("pkd-skip", "teacher-assistant"), "--search evolution cuts no network"),
        ("exact", DistillRecipe.named("vanila-kd"), r"did you mean 'vanilla-kd'\?"),
        ("exakt", None, r"did you mean 'exact'\?"),
    ],
)
def test_what_cannot_go_together_is_refused_before_anything_is_loaded(
    ask: Ask, run: Run, tmp_path: Path, search: str, recipe: DistillRecipe | None, message: str
) -> None:
    """By a plan too."""
    request = replace(ask(1.0), search=search, distill=recipe, teacher="nowhere")
    with pytest.raises(InputError, match=message):
        run(request)
    with pytest.raises(InputError, match=message):
        plan_for(request, cache=tmp_path / "cache", observer=Watcher())


def test_what_goes_together_is_not_refused(ask: Ask) -> None:
    without = DistillRecipe((LossTerm("tinybert", 1.0, (("attention", 0.0),)),))
    for search, recipe in (
        ("nas-kd", without),
        ("nas-kd", DistillRecipe.named("nas-kd")),
        ("uniform-3", DistillRecipe.named("teacher-assistant")),
        ("kd-nas", DistillRecipe.named("tinybert")),
    ):
        check_request(replace(ask(1.0), search=search, distill=recipe))


def test_a_start_deeper_than_the_teacher_cannot_be_matched(ask: Ask, bare: Path, tmp_path: Path) -> None:
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    for name, refused in (("vanilla-kd", False), ("alp-kd", False), ("pkd-skip", True), ("tinybert", True)):
        request = replace(ask(1.0), starts=(str(bare),), distill=DistillRecipe.named(name))
        if not refused:
            check_losses(bench_with(request, tmp_path))
            continue
        with pytest.raises(InputError, match=rf"expected at most 2 layers, .* --distill {name} matches .* found 3"):
            check_losses(bench_with(request, tmp_path))


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (LossTerm("teacher-free", 1.0, (("certainty", 0.5),)), "certainty: expected more than one over the 2 classes"),
        (
            LossTerm("tinybert", 1.0, (("embedding", 0.0), ("attention", 0.0), ("hidden", 0.0))),
            "found 0 for all of them",
        ),
    ],
)
def test_a_loss_that_cannot_train_any_student_is_refused_before_anything_is_measured(
    ask: Ask, run: Run, term: LossTerm, message: str
) -> None:
    watcher = Watcher()
    with pytest.raises(InputError, match=message):
        run(replace(ask(1.0), distill=DistillRecipe((term,))), watcher=watcher)
    assert watcher.begun == []


@pytest.mark.parametrize(
    ("name", "copied"), [("label-smoothing", False), ("teacher-free", False), ("logit-mse", True)]
)
def test_losses_that_read_nothing_of_the_teacher_get_no_copies_with_its_labels(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, name: str, copied: bool
) -> None:
    watcher = Watcher()
    request = replace(
        ask(TIGHT * teacher_ms[Precision.INT8]), recipe=Recipe(race=False), distill=DistillRecipe.named(name)
    )
    with pytest.raises(StoppedError):
        run(request, watcher=watcher, stop_after="label")
    rows = ROWS["train"] - ROWS["train"] // 10
    assert (len(np.load(run_folder(tmp_path / "cache") / "logits.npy")) > rows) == copied
    assert any(note.startswith("no changed copies") for note in watcher.notes) != copied


def test_only_a_repair_begins_where_schedules_are_settled(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path
) -> None:
    request = replace(ask(TIGHT * teacher_ms[Precision.INT8]), recipe=FAST, distill=DistillRecipe.named("tinybert"))
    with pytest.raises(StoppedError):
        run(request, stop_after="label")
    bench = bench_with(request, tmp_path)
    shape = bench.canonical.architecture
    begins = {
        part: distilling.job_of(bench, shape, tmp_path / "student", part=part).begin
        for part in (WHOLE, ASSISTANT, BEHIND_ASSISTANT, REPAIR)
    }
    assert begins == {WHOLE: 0.0, ASSISTANT: 0.0, BEHIND_ASSISTANT: 0.0, REPAIR: 0.75}


def test_an_assistant_is_the_teacher_of_the_second_hop(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However shallow the cut is; and the bundle says with what its student was trained."""
    seen: list[ObjectiveJob] = []
    real = distilling.train

    def watched(job: ObjectiveJob, *rest: object, **named: object) -> None:
        seen.append(job)
        real(job, *rest, **named)

    monkeypatch.setattr(distilling, "train", watched)
    request = replace(
        ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0),
        distill=DistillRecipe.named("teacher-assistant"),
        recipe=Recipe(augmented=False),
    )
    outcome = run(request)
    assert outcome.exit_code is ExitCode.MET
    first, *behind = [(job.teacher.weights.name, job.logits.name) for job in seen]
    assert first == ("teacher.safetensors", "logits.npy")
    assert behind
    assert set(behind) == {("student-assistant.safetensors", "answers-assistant.npy")}
    job = seen[-1]
    batch, assistant = Tokens.load(job.tokens).padded(range(8), job.pad_id), job.teacher.load().eval()
    with torch.no_grad():
        expected = assistant(*(torch.from_numpy(batch[name]) for name in INPUTS)).numpy()
    answers = np.load(job.logits)
    np.testing.assert_allclose(answers[:8], expected, rtol=0, atol=1e-4)
    assert abs(answers - np.load(job.logits.with_name("logits.npy"))).max() > 0.01  # it is not the teacher
    assert str(read_manifest(outcome.bundle).distill) == "1 x teacher-assistant (alpha 0.5, temperature 5)"
    assert outcome.report.distill == request.distill
    assert "--distill teacher-assistant" in (outcome.bundle / PAGE).read_text(encoding="utf-8")


def test_a_recipe_without_distillation_has_no_losses(ask: Ask, tmp_path: Path) -> None:
    request = replace(ask(1.0), recipe=Recipe(distilled=False), distill=DistillRecipe.named("pkd-skip"))
    with pytest.raises(InputError, match="without distillation has no losses: found pkd-skip; leave one of them out"):
        _ = bench_with(request, tmp_path).losses


def test_a_teacher_that_runs_along_takes_memory_in_every_rank(ask: Ask, tmp_path: Path) -> None:
    assert training_bytes(100, ranks=4, beside_teacher=True) - training_bytes(100, ranks=4) == 400
    for name, beside in (("vanilla-kd", False), ("nas-kd", True), ("tinybert", True)):
        assert bench_with(replace(ask(1.0), distill=DistillRecipe.named(name)), tmp_path).beside_teacher == beside
    assert not bench_with(ask(1.0), tmp_path).beside_teacher

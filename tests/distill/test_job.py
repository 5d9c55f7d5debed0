"""The job that trains a student with losses by name: what a step computes, what is trained, and what is kept."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import random_encoder, tiny

from compressor.distill import job as distill_job
from compressor.distill import logit_loss
from compressor.distill.job import ObjectiveJob, Stored, StoredEncoder
from compressor.distill.objectives import Combined, completed
from compressor.encoder import INPUTS, Encoder, Sizes, Trace, Traced
from compressor.errors import BorderError, InputError
from compressor.records.architecture import Architecture, Cut, LayerCut
from compressor.records.distillation import DistillRecipe, LossTerm
from compressor.records.task import TaskKind
from compressor.records.training import TrainPlan
from compressor.space import inherit
from compressor.tasks import Tokens
from compressor.train import FittingJob, Trainer, train

TEACHER = tiny((2, 32), (2, 32), (2, 32), (2, 32))
STUDENT = tiny((1, 16), (2, 8))
NARROW = tiny((1, 16), (2, 8), hidden=8, head_size=4)
LENGTHS = np.random.default_rng(0).integers(2, 11, size=30)
EVERY = np.arange(30)
PLAN = TrainPlan(steps=30, batch=10, learning_rate=5e-3, ranks=1, seed=0, checkpoint_steps=7)


def stored(folder: Path, name: str, shape: Architecture, seed: int) -> StoredEncoder:
    save_file(random_encoder(shape, seed).state_dict(), folder / name)
    return StoredEncoder(shape, folder / name)


def write_text(folder: Path, teacher: Encoder) -> None:
    """Tokens, the teacher's logits, and labels."""
    random, total = np.random.default_rng(1), int(LENGTHS.sum())
    ids = random.integers(1, teacher.architecture.vocabulary, size=total).astype(np.int32)
    tokens = Tokens(ids, np.zeros(total, dtype=np.uint8), np.concatenate([[0], np.cumsum(LENGTHS)]))
    tokens.save(folder / "tokens")
    rows = []
    for row in EVERY:
        batch = tokens.padded([row], 0)
        with torch.no_grad():
            rows.append(teacher(*(torch.from_numpy(batch[name]) for name in INPUTS))[0].numpy())
    per_token, kind = teacher.architecture.per_token, teacher.architecture.kind
    logits = np.concatenate(rows) if per_token else np.stack(rows)
    np.save(folder / "logits.npy", logits)
    labels = logits[:, 0].astype(np.float64) if kind == "regression" else logits.argmax(1)
    if per_token:
        labels[::4] = -100
    np.save(folder / "labels.npy", labels)


def job_of(
    folder: Path, *names: str, student: Architecture = STUDENT, kind: TaskKind = "text-classification"
) -> ObjectiveJob:
    changes = {"regression": {"classes": 1}, "token-classification": {"per_token": True}}.get(kind, {})
    teacher = stored(folder, "teacher", replace(TEACHER, **changes), seed=1)
    write_text(folder, random_encoder(teacher.architecture, 1))
    return ObjectiveJob(
        student=stored(folder, "student", replace(student, **changes), seed=0),
        teacher=teacher,
        kind=kind,
        recipe=completed(DistillRecipe.named(*names), kind),
        tokens=folder / "tokens",
        labels=folder / "labels.npy",
        logits=folder / "logits.npy",
        batch=10,
        seed=0,
        pad_id=0,
    )


def test_a_loss_on_logits_is_what_a_fitting_job_computes(tmp_path: Path) -> None:
    job = job_of(tmp_path, "vanilla-kd")
    recipe = DistillRecipe((LossTerm("vanilla-kd", 1.0, (("alpha", 1.0), ("temperature", 2.0))),))
    setup = replace(job, recipe=completed(recipe)).setup()
    paths = tmp_path / "student", tmp_path / "tokens", tmp_path / "logits.npy"
    fitting = FittingJob(STUDENT, *paths, logit_loss, batch=10, seed=0, pad_id=0).setup()
    found, expected = setup.step(setup.model, EVERY), fitting.step(fitting.model, EVERY)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["pkd-skip", "nas-kd", "tinybert"])
def test_the_teachers_trace_is_that_of_its_weights(name: str, tmp_path: Path) -> None:
    """A student with the weights of its teacher loses what it loses on outputs alone."""
    job = job_of(tmp_path, name)
    same = replace(job, student=job.teacher)
    values = {"nas-kd": ("nas-kd", (("alpha", 1.0),)), "pkd-skip": ("pkd-skip", ()), "tinybert": ("tinybert", ())}
    terms = [LossTerm(values[name][0], 1.0, values[name][1])]
    if name == "pkd-skip":
        terms.append(LossTerm("logit-mse", 1.0))
    setup = replace(same, recipe=completed(DistillRecipe(tuple(terms)))).setup()
    assert setup.step(setup.model, EVERY).item() == pytest.approx(0, abs=1e-4)
    other = job.setup()
    assert other.step(other.model, EVERY).item() > 1


@pytest.mark.parametrize("name", ["vanilla-kd", "pkd-skip", "tinybert"])
def test_a_step_is_a_sum_over_rows(name: str, tmp_path: Path) -> None:
    setup = job_of(tmp_path, name).setup()
    whole = setup.step(setup.model, EVERY).item()
    parts = sum(setup.step(setup.model, EVERY[i::3]).item() for i in range(3))
    assert parts == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("student", [STUDENT, NARROW], ids=["as wide", "narrower"])
@pytest.mark.parametrize("name", ["vanilla-kd", "nas-kd", "alp-kd", "ckd-po", "tinybert"])
def test_a_few_steps_lower_the_loss_and_only_the_student_is_kept(
    name: str, student: Architecture, tmp_path: Path
) -> None:
    job = job_of(tmp_path, name, student=student)
    if name == "tinybert":  # phases cannot be compared: all but the last step are in the first
        job = replace(job, recipe=completed(DistillRecipe((LossTerm(name, 1.0, (("inside", 0.99),)),))))
    setup = job.setup()
    before = setup.step(setup.model, EVERY).item()
    losses: list[float] = []
    train(job, PLAN, tmp_path / "trained", progress=lambda step, loss: losses.append(loss))
    trained = load_file(tmp_path / "trained")
    assert set(trained) == set(Encoder(student).state_dict())
    trainer = Trainer(job, PLAN)
    trainer.run()
    after = setup.step(trainer.model, EVERY).item()
    assert after < 0.9 * before
    assert all(torch.equal(value, trained[name]) for name, value in trainer.result.state_dict().items())
    # Widths that are equal need no projection, but CKD always learns one, and TinyBERT mixes one head to two.
    projected = {"ckd-po", "tinybert"} | ({"nas-kd", "alp-kd"} if student is NARROW else set())
    assert bool(list(trainer.model.objective.parameters())) == (name in projected)


@pytest.mark.parametrize("kind", ["regression", "token-classification"])
@pytest.mark.parametrize("name", ["annealing-kd", "alp-kd", "tinybert"])
def test_other_tasks_learn_too(name: str, kind: TaskKind, tmp_path: Path) -> None:
    """Each phase by itself: what the second one learns may undo something of the first."""
    job = job_of(tmp_path, name, kind=kind)
    setup, trainer = job.setup(), Trainer(job, replace(PLAN, steps=80))
    for progress, until in ((0.69, 50), (0.9, 80)):
        step = setup.step_at(progress)
        before = step(trainer.model, EVERY).item()
        assert sum(step(trainer.model, EVERY[i::3]).item() for i in range(3)) == pytest.approx(before, rel=1e-5)
        trainer.run(until=until)
        assert step(trainer.model, EVERY).item() < 0.97 * before


def test_tables_are_frozen_unless_a_loss_trains_them(tmp_path: Path) -> None:
    tables = {
        "student.embeddings.word.weight",
        "student.embeddings.position.weight",
        "student.embeddings.token_type.weight",
    }
    for name, expected in (("pkd-skip", tables), ("tinybert", set())):
        setup = job_of(tmp_path, name).setup()
        frozen = {name for name, p in setup.model.named_parameters() if not p.requires_grad}
        assert {name for name in frozen if not name.startswith("teacher.")} == expected
        assert setup.result is setup.model.student
        assert setup.inner is setup.model.student.layers


def test_the_loss_follows_the_share_of_the_training_that_is_done(tmp_path: Path) -> None:
    setup = job_of(tmp_path, "annealing-kd").setup()
    found = [setup.step_at(progress)(setup.model, EVERY).item() for progress in (0.0, 0.09, 0.5, 0.8)]
    assert found[0] == found[1] == setup.step(setup.model, EVERY).item()
    assert len(set(found)) == 3


class Refusing(torch.nn.Module):
    """A model that must not be asked."""

    def forward(self, *given: object, **named: object) -> None:
        raise AssertionError("it was asked")

    trace = forward


@pytest.mark.parametrize("kind", ["text-classification", "token-classification"])
def test_where_only_logits_are_read_they_come_from_disk(kind: TaskKind, tmp_path: Path) -> None:
    """Of tinybert's second phase, as of losses that never read more."""
    setup = job_of(tmp_path, "tinybert", kind=kind).setup()
    inside, answers = (setup.step_at(progress) for progress in (0.5, 0.8))
    expected = answers(setup.model, EVERY).item()
    setup.model.teacher = Refusing()
    assert answers(setup.model, EVERY).item() == expected
    with pytest.raises(AssertionError, match="was asked"):
        inside(setup.model, EVERY)
    setup.model.student.trace = Refusing().trace  # nor is its own trace taken
    assert answers(setup.model, EVERY).item() == expected


@pytest.mark.parametrize("name", ["annealing-kd", "tinybert", "vanilla-kd"])
def test_a_training_that_only_mends_begins_where_the_outputs_are_trained_as_they_are(
    name: str, tmp_path: Path
) -> None:
    job = job_of(tmp_path, name)
    mending = replace(job, begin=job.settled)
    whole, short = job.setup(), mending.setup()
    for progress in (0.0, 0.5, 0.99):
        later = whole.step_at(job.settled + (1 - job.settled) * progress)
        assert short.step_at(progress)(short.model, EVERY).item() == pytest.approx(
            later(short.model, EVERY).item(), rel=1e-6
        )
    assert short.step(short.model, EVERY).item() == short.step_at(0.0)(short.model, EVERY).item()


def test_a_training_that_reads_no_hidden_states_loads_no_teacher(tmp_path: Path) -> None:
    job = job_of(tmp_path, "tinybert")
    gone = StoredEncoder(TEACHER, tmp_path / "nowhere")
    with pytest.raises(OSError, match="nowhere"):
        replace(job, teacher=gone).setup()
    assert replace(job, teacher=gone, begin=job.settled).setup().model.teacher is None


def cut_to_second_heads(teacher: Encoder) -> Encoder:
    """Every layer keeps its second head, and all neurons."""
    whole = [LayerCut((1,), tuple(range(layer.neurons))) for layer in teacher.architecture.layers]
    return inherit(teacher, Cut(tuple(whole)))


def inherited_job(folder: Path, name: str) -> ObjectiveJob:
    """The training of a student that was cut out of its teacher."""
    job = job_of(folder, name)
    student = cut_to_second_heads(job.teacher.load())
    save_file(student.state_dict(), folder / "cut")
    return replace(job, student=StoredEncoder(student.architecture, folder / "cut"))


def test_the_heads_that_a_student_kept_are_found_before_it_is_trained(tmp_path: Path) -> None:
    job = inherited_job(tmp_path, "tinybert")
    (objective,) = job.setup().model.objective.objectives
    found = objective.head_mixtures["1"].weight  # [heads of the teacher, heads of the student]
    # What the first layer reads is not cut, so its scores are the teacher's, up to the ridge. It begins with 0 there.
    assert found[1, 0].item() == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("name", ["tinybert", "ckd-po"])
def test_a_student_that_was_cut_out_of_its_teacher_begins_with_less_to_lose(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = inherited_job(tmp_path, name)
    fitted = job.setup()
    with monkeypatch.context() as patched:
        patched.setattr(Combined, "fit", lambda self: None)
        plain = job.setup()
    found, before = (setup.step(setup.model, EVERY).item() for setup in (fitted, plain))
    assert found < 0.9 * before
    weights = [list(setup.model.objective.parameters()) for setup in (fitted, job.setup())]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))  # in every rank the same
    assert fitted.model.training


def test_a_few_rows_are_enough_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = Combined.observe

    def watched(self: Combined, student: Trace, teacher: Trace) -> None:
        assert not student.logits.requires_grad
        seen.append(len(student.mask))
        real(self, student, teacher)

    monkeypatch.setattr(Combined, "observe", watched)
    monkeypatch.setattr(distill_job, "OBSERVED_ROWS", 20)
    monkeypatch.setattr(distill_job, "ROWS_AT_ONCE", 8)
    job_of(tmp_path, "ckd-no").setup()
    assert seen == [8, 8, 4]
    seen.clear()
    monkeypatch.setattr(distill_job, "OBSERVED_ROWS", 512)
    job_of(tmp_path, "ckd-no").setup()
    assert seen == [8, 8, 8, 6]
    seen.clear()
    job_of(tmp_path, "pkd-skip").setup()  # of one width: nothing is projected
    assert seen == []


@pytest.mark.parametrize("name", ["annealing-kd", "tinybert"])
def test_two_ranks_and_a_resumed_training_end_with_the_weights_of_one(name: str, tmp_path: Path) -> None:
    job, plan = job_of(tmp_path, name, student=NARROW), replace(PLAN, steps=12, parts=2)
    train(job, plan, tmp_path / "one")
    train(job, replace(plan, ranks=2), tmp_path / "two")
    Trainer(job, plan).run(tmp_path / "checkpoint", until=10)  # the last checkpoint is that of step 7
    train(job, plan, tmp_path / "resumed", checkpoint=tmp_path / "checkpoint")
    one, two, resumed = (load_file(tmp_path / file) for file in ("one", "two", "resumed"))
    for key, value in one.items():
        assert torch.equal(resumed[key], value), key
        # The norm is summed share by share: its last bit may differ.
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-5)


def test_targets_of_other_rows_stop_at_the_border(tmp_path: Path) -> None:
    job = job_of(tmp_path, "vanilla-kd")
    np.save(tmp_path / "labels.npy", np.zeros(7, dtype=np.int64))
    with pytest.raises(BorderError, match=r"labels.npy: expected 30 targets for .*tokens, found 7"):
        job.setup()


def test_a_student_that_cannot_be_matched_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    job = job_of(tmp_path, "pkd-skip")
    deep = StoredEncoder(tiny(*[(1, 8)] * 5), tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"--distill pkd-skip .*expected a student of 1 to 4 layers.*found 5"):
        replace(job, student=deep).check()
    job.check()


@dataclass(frozen=True)
class StoredNothing:
    """What is no module."""

    sizes: Sizes

    def load(self) -> Traced:
        return object()  # type: ignore[return-value]


@pytest.mark.parametrize("which", ["student", "teacher"])
def test_what_is_no_module_cannot_be_trained_or_read(which: str, tmp_path: Path) -> None:
    job = job_of(tmp_path, "pkd-skip")
    nothing: Stored = StoredNothing(getattr(job, which).sizes)
    with pytest.raises(BorderError, match=f"a {which} has to be a torch module, got object"):
        replace(job, **{which: nothing}).setup()

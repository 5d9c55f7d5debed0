"""Whole runs with the searches beside the default: limits kept, killed and continued, the same words for all."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from safetensors.torch import load_file
from teachers.families import saved
from tiny import BATCH, LENGTH, NEGATIVE, POSITIVE, ROWS, SHAPE, Watcher, write_tokenizer

from compressor.distill.recipe import LEAST_TRY_STEPS
from compressor.encoder import IDENTITY
from compressor.errors import ExitCode, InfeasibleError, InputError, TooLargeError
from compressor.export import EVIDENCE
from compressor.latency import operations
from compressor.pipeline import StoppedError, cells, distilling, finishing, judging, plan_for, searching, shapes, tries
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.evidence import Evidence
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.promise import Reason, Verdict
from compressor.records.recipe import Recipe
from compressor.records.request import CompressRequest
from compressor.records.results import Verification
from compressor.records.serial import load
from compressor.records.stages import Finalists
from compressor.records.task import TaskKind
from compressor.runtimes.fake import FakeDevice
from compressor.search import EPISODIC, NAS_KD
from compressor.tasks import Tokens
from compressor.teachers import load_teacher
from compressor.verification import Prediction, Predictor

SEARCHES = (NAS_KD, *EPISODIC)


def often(*names: str) -> list[Any]:
    """Every search; all but these only where there is time for heavy tests."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.heavy) for name in SEARCHES]


MORE = tries.Tries.more  # the tests of whole runs count tries


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few tries, a few steps."""
    monkeypatch.setattr(cells, "fitting_steps", lambda *given, **more: 4)
    monkeypatch.setattr(cells, "PROBE_STEPS", 1)
    monkeypatch.setattr(tries.Tries, "more", lambda self, tried: tried < 3)


@pytest.fixture
def request_of(ask: Ask, teacher_ms: Times) -> Callable[[str], CompressRequest]:
    def make(search: str) -> CompressRequest:
        return replace(ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0), search=search)

    return make


def killed(*given: object, **more: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("search", often(NAS_KD, "kd-nas"))
def test_it_ends_with_a_verified_engine_within_the_limit(
    search: str, request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path
) -> None:
    request = request_of(search)
    outcome = run(request)
    report = outcome.report
    assert outcome.exit_code is ExitCode.MET
    assert report.chosen == "student"
    assert report.verification.latency.summary.p95_ms <= request.budget.max_latency_ms
    shape = report.architecture
    assert shape is not None
    assert (shape.cells is not None) == (search == NAS_KD)
    if search != NAS_KD:
        assert len(set(shape.layers)) == 1
    folder = run_folder(tmp_path / "cache")
    (found,) = load(Finalists, folder / "search.json").students
    assert found.architecture == shape
    trials = [json.loads(line) for line in (folder / "measurements.jsonl").read_text(encoding="utf-8").splitlines()]
    assert found.damage in [line["solution"]["damage"] for line in trials if line["stage"] == "search"]
    assert len(load(Evidence, outcome.bundle / EVIDENCE).trials) == found.rounds
    assert all(isinstance(answer, Prediction) for answer in Predictor(outcome.bundle)(["a film", "no film at all"]))
    assert (outcome.bundle / "report.html").exists()


@pytest.mark.heavy
@pytest.mark.parametrize("search", [NAS_KD, "kd-nas"])
def test_killed_in_the_search_it_ends_with_the_same_bits(
    search: str,
    request_of: Callable[[str], CompressRequest],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = request_of(search)
    run(request)
    student = run_folder(tmp_path / "cache") / "student.safetensors"
    bits = student.read_bytes()
    module, name = (cells, "confirm") if search == NAS_KD else (shapes.ShapeSearch, "_confirmed")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, name, killed)
        run(request, fresh=True, output="again")
    run(request, output="again")
    assert student.read_bytes() == bits


@pytest.mark.heavy
@pytest.mark.parametrize("search", EPISODIC)
def test_killed_between_tries_it_goes_on_among_the_same_shapes(
    search: str,
    request_of: Callable[[str], CompressRequest],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine's tail is another one then, by which other shapes would be feasible."""
    request = request_of(search)
    run(request)
    folder = run_folder(tmp_path / "cache")
    bits, made, train = (folder / "student.safetensors").read_bytes(), list[str](), tries.train

    def killed_in_the_second(job: Any, *rest: Any, **named: Any) -> None:
        made.append(job.architecture.in_words)
        if len(made) == 2:
            raise KeyboardInterrupt
        train(job, *rest, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(tries, "train", killed_in_the_second)
        run(request, fresh=True, output="again")
    tail = judging.PlannedTail.tail.fget
    with monkeypatch.context() as patched:
        patched.setattr(judging.PlannedTail, "tail", property(lambda self: 0.8 * tail(self)))
        patched.setattr(tries, "train", killed_in_the_second)
        run(request, output="again")
    assert (folder / "student.safetensors").read_bytes() == bits
    assert len(made) == 4  # the second one twice
    assert made[1] == made[2]


def test_what_was_used_of_the_time_counts_in_a_continued_run(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path
) -> None:
    request = request_of("random")
    with pytest.raises(StoppedError):
        run(request, stop_after="search")
    bench = Workbench(request, cache=tmp_path / "cache", observer=Watcher())
    names = [
        json.loads(line)["name"]
        for line in (run_folder(tmp_path / "cache") / "choices.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    tried = [name for name in names if name.startswith("search.try ")]
    assert len(tried) == 3
    assert {f"search.seconds {name.removeprefix('search.try ')}" for name in tried} <= set(names)
    assert all(bench.run.choose(name.replace(".try ", ".seconds "), lambda: 0.0) > 0 for name in tried)
    assert bench.run.choose("search.steps", lambda: 0) == LEAST_TRY_STEPS  # a minute has no room for more


@pytest.mark.parametrize(
    ("used_s", "most_s", "tried", "expected"),
    [(10, 20, 1, True), (10, 19, 1, False), (30, 40, 3, True), (30, 39, 3, False), (0.1, 0, 1, False)],
)
def test_there_is_one_more_try_where_there_is_time_for_a_usual_one(
    used_s: float, most_s: float, tried: int, expected: bool
) -> None:
    assert MORE(SimpleNamespace(_used_s=used_s, _most_s=most_s), tried) == expected


def test_the_winner_goes_on_from_the_weights_of_its_try(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    distil = distilling.distil

    def watched(bench: Any, ladder: Any, shape: Any, begin: Path, **named: Any) -> Any:
        begun.append(begin)
        return distil(bench, ladder, shape, begin, **named)

    monkeypatch.setattr(distilling, "distil", watched)
    with pytest.raises(StoppedError):
        run(request_of("evolution"), stop_after="distil")
    kept = list(run_folder(tmp_path / "cache").glob("tried-*.safetensors"))
    assert begun == kept
    assert len(kept) == 1


def test_a_try_that_diverges_is_no_end(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    divergence = tries.Nearness.divergence

    def broken(self: Any, student: Any) -> float:
        calls.append(1)
        return math.nan if len(calls) == 1 else divergence(self, student)

    monkeypatch.setattr(tries.Nearness, "divergence", broken)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(request_of("random"), watcher=watcher, stop_after="search")
    (found,) = load(Finalists, run_folder(tmp_path / "cache") / "search.json").students
    assert math.isfinite(found.damage)
    assert sum("divergence inf" in note for note in watcher.notes) == 1


@pytest.fixture
def missed_once(monkeypatch: pytest.MonkeyPatch) -> list[Verification]:
    """The first verification meets a tail that nobody planned for; what was verified."""
    verify_bundle = finishing.verify_bundle
    met: list[Verification] = []

    def disturbed_once(*args: Any, **kwargs: Any) -> Verification:
        met.append(verify_bundle(*args, **kwargs))
        if len(met) > 1:
            return met[-1]
        latency = met[0].latency
        slow_ms = 1.3 * latency.summary.p50_ms
        summary = replace(latency.summary, p95_ms=slow_ms, p99_ms=slow_ms)
        missed = replace(latency, summary=summary, share_within=0.9, verdict=Verdict.MISSED)
        return replace(met[0], latency=missed, verdict=Verdict.MISSED, reasons=(Reason.LATENCY_OVER_LIMIT,))

    monkeypatch.setattr(finishing, "verify_bundle", disturbed_once)
    return met


@pytest.mark.parametrize("search", often())
def test_a_student_that_misses_only_its_latency_is_cut_further(
    search: str,
    ask: Ask,
    run: Run,
    teacher_ms: Times,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missed_once: list[Verification],
) -> None:
    # The narrow families alone: their ops are in tables of their own.
    monkeypatch.setattr(shapes, "families", lambda teacher: ((16, "gelu"), (16, "relu")))
    limit_ms = 0.95 * teacher_ms[Precision.INT8]
    request = replace(
        ask(limit_ms, time_budget_s=600.0, max_accuracy_drop_points=100.0),
        search=search,
        recipe=Recipe(augmented=False),
    )
    outcome = run(request)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.evaluation_reads == 2
    first, second = (check.latency.summary.p50_ms for check in missed_once)
    assert second * 1.3 <= limit_ms
    assert second <= first
    folder = run_folder(tmp_path / "cache")
    students = [load(Finalists, folder / f"search{tag}.json").students[0] for tag in ("", "-2")]
    assert outcome.report.architecture == students[1].architecture
    assert students[0].table == students[1].table == (cells.TABLE if search == NAS_KD else students[0].table)
    if search != NAS_KD:
        assert students[0].table == f"-16-{students[0].architecture.activation}"
        assert students[1].source is not None
        assert students[1].source.architecture == students[0].architecture
        assert outcome.student is None  # of another width than the teacher: it assists nobody
    else:
        assert [path.name for path in folder.glob("cells-*[0-9].safetensors")] == [
            f"cells-{round(1e3 * limit_ms)}.safetensors"
        ]
    evidence = load(Evidence, outcome.bundle / EVIDENCE)
    assert sum(part.cost_us for part in evidence.parts) / 1e3 == pytest.approx(outcome.report.predicted_ms, rel=0.2)


def test_shapes_that_were_not_tried_are_tried_before_giving_up(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries.Tries, "more", lambda self, tried: False)
    time = judging.PlannedTail.time
    built: list[float] = []

    def slower_at_first(self: Any, model: bytes) -> Any:
        summary, reached_ms = time(self, model)
        built.append(reached_ms)
        return (summary, 100 * reached_ms) if len(built) == 1 else (summary, reached_ms)

    monkeypatch.setattr(judging.PlannedTail, "time", slower_at_first)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(request_of("random"), watcher=watcher, stop_after="search")
    (found,) = load(Finalists, run_folder(tmp_path / "cache") / "search.json").students
    assert len(built) == found.rounds == 2
    assert sum(note.startswith("tried ") for note in watcher.notes) == 2


@pytest.mark.parametrize("search", SEARCHES)
def test_a_limit_that_nothing_keeps_ends_with_the_nearest(
    search: str, ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((distilling, "distil"), (cells, "bilevel"), (tries, "train")):
        monkeypatch.setattr(module, name, None)  # is not reached
    request = replace(ask(0.02 * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0), search=search)
    with pytest.raises(InfeasibleError) as caught:
        run(request)
    assert caught.value.nearest_ms > request.budget.max_latency_ms
    assert caught.value.cost


@pytest.mark.parametrize("search", SEARCHES)
def test_a_limit_below_all_of_the_space_is_known_before_anything_is_trained(
    search: str, request_of: Callable[[str], CompressRequest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the table says so: here a tail of the machine beyond all others."""
    for module, name in ((distilling, "distil"), (cells, "bilevel"), (tries, "train")):
        monkeypatch.setattr(module, name, None)
    monkeypatch.setattr(judging.PlannedTail, "tail", property(lambda self: 1e3))
    request, watcher = request_of(search), Watcher()
    with pytest.raises(InfeasibleError, match="is predicted to keep") as caught:
        run(request, watcher=watcher)
    assert caught.value.nearest_ms > request.budget.max_latency_ms
    assert "score" not in watcher.begun


@pytest.mark.parametrize("search", often("kd-nas"))
def test_the_weights_of_layers_are_within_what_the_size_leaves(
    search: str,
    request_of: Callable[[str], CompressRequest],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = request_of(search)
    request = replace(request, budget=replace(request.budget, max_size_bytes=10_000_000))
    # What every student weighs beside its layers, and the least layers that there are.
    monkeypatch.setattr(searching, "shipped_bytes", lambda *given: searching.SIZE_USED * 10_000_000 - 6_000)
    with pytest.raises(StoppedError):
        run(request, stop_after="search")
    folder = run_folder(tmp_path / "cache")
    (found,) = load(Finalists, folder / "search.json").students
    table = load(LatencyTable, folder / f"table{found.table}.json")
    _, *ops = operations(found.architecture, table.precision)
    least_bytes = 3_000
    assert sum(table.entry(op).weight_bytes for op in ops) <= 6_000 + least_bytes


@pytest.mark.parametrize("search", SEARCHES)
def test_a_size_that_nothing_keeps_is_named(
    search: str, request_of: Callable[[str], CompressRequest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(search)
    request = replace(request, budget=replace(request.budget, max_size_bytes=10_000_000))
    monkeypatch.setattr(searching, "shipped_bytes", lambda *given: 11_000_000)
    with pytest.raises(TooLargeError) as caught:
        run(request)
    assert caught.value.missing_bytes > 0


def test_architecture_weights_never_see_copies_of_what_block_weights_see(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    bilevel = cells.bilevel

    def watched(model: Any, supernet: Any, step_at: Any, halves: Any, *rest: Any, **named: Any) -> Any:
        drawn.append(halves)
        return bilevel(model, supernet, step_at, halves, *rest, **named)

    monkeypatch.setattr(cells, "bilevel", watched)
    with pytest.raises(StoppedError):
        run(request_of(NAS_KD), stop_after="search")
    given = ROWS["train"] - ROWS["train"] // 10
    assert len(Tokens.load(run_folder(tmp_path / "cache") / "tokens")) > given
    for halves in drawn:
        rows = [set(half.numbers.tolist()) for half in (halves.weights, halves.choices)]
        assert not rows[0] & rows[1]
        assert rows[0] | rows[1] == set(range(given))


def test_students_of_cells_are_trained_with_the_loss_of_the_search(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path
) -> None:
    bench = Workbench(request_of(NAS_KD), cache=tmp_path / "other", observer=Watcher())
    assert bench.losses is not None
    assert [term.name for term in bench.losses.terms] == ["nas-kd"]
    assert bench.beside_teacher
    assert cells.heights(bench) == (2, 1)  # the tiny teacher has two layers, and the loss matches them in order
    free = replace(bench.request, distill=DistillRecipe.named("vanilla-kd"))
    assert cells.heights(Workbench(free, cache=tmp_path / "other", observer=Watcher())) == (6, 3, 2, 1)
    watcher = Watcher()
    with pytest.raises(StoppedError):
        run(bench.request, watcher=watcher, stop_after="distil")
    assert any(note.startswith("losses: 1 x nas-kd (") for note in watcher.notes)


@pytest.mark.heavy
def test_a_search_takes_only_the_stages_that_it_reads(
    request_of: Callable[[str], CompressRequest], run: Run, tmp_path: Path
) -> None:
    expected = {
        NAS_KD: ["table", "label", "search", "distil"],
        "random": ["table"] * 4 + ["label", "score", "search", "distil"],
    }
    for search, stages in expected.items():
        request, watcher = request_of(search), Watcher()
        with pytest.raises(StoppedError):
            run(request, watcher=watcher, stop_after="distil")
        assert watcher.begun == ["prepare", "ladder", *stages]
        plan = plan_for(request, cache=tmp_path / "cache", observer=Watcher())
        assert [stage.name for stage in plan.stages if stage.if_needed] == list(dict.fromkeys(stages))


def other_data(kind: str, data: Path, folder: Path) -> Path:
    """The tiny data with scores, as pairs of texts, or with a tag for every word."""
    folder.mkdir()
    for split in ("train", "test"):
        rows = [line.split("\t") for line in (data / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]]
        if kind == "tags":
            words = ([(word, word in POSITIVE + NEGATIVE) for word in text.split()] for text, _ in rows)
            lines = ["\n".join(f"{word}\t{'B-word' if known else 'O'}" for word, known in row) + "\n" for row in words]
            (folder / f"{split}.conll").write_text("\n".join(lines), encoding="utf-8")
            continue
        if kind == "scores":
            lines = ["sentence\tlabel", *(f"{text}\t{int(label) + len(text) / 100:.2f}" for text, label in rows)]
        elif kind == "pairs":
            halves = ((*text.split(" was ", 1), label) for text, label in rows)
            lines = ["sentence1\tsentence2\tlabel", *("\t".join(row) for row in halves)]
        else:
            lines = ["sentence\tlabel", *("\t".join(row) for row in rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def other_teacher(family: str, kind: TaskKind, folder: Path) -> Path:
    """Two layers with random weights, and the tiny tokenizer."""
    sizes = {"num_hidden_layers": 2, "intermediate_size": 64, "max_position_embeddings": SHAPE.positions + 2}
    saved(family, folder, kind, vocab_size=SHAPE.vocabulary, **sizes)
    write_tokenizer(folder)
    if kind == "token-classification":
        path, tags = folder / "config.json", ("O", "B-word", "I-word")
        names = {"id2label": dict(enumerate(tags)), "label2id": {tag: place for place, tag in enumerate(tags)}}
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **names}), encoding="utf-8")
    return folder


def int8_ms(teacher: Path) -> float:
    """Virtual milliseconds of a teacher at the workload of the tests."""
    device, encoder = FakeDevice(), load_teacher(teacher).encoder
    engine = device.compile(apply_precision(encoder.emit(), Precision.INT8).SerializeToString(), CompileOptions(1))
    begin = device.clock()
    engine.run({name: np.ones((BATCH, LENGTH), dtype=np.int64) for name in encoder.inputs})
    return (device.clock() - begin) / 1e6


@pytest.mark.parametrize("search", [NAS_KD, pytest.param("kd-nas", marks=pytest.mark.heavy)])
@pytest.mark.parametrize(
    ("data", "family", "kind"),
    [
        pytest.param("scores", "bert", "regression", marks=pytest.mark.heavy),
        ("tags", "bert", "token-classification"),
        pytest.param("pairs", "bert", "text-classification", marks=pytest.mark.heavy),
        pytest.param("classes", "roberta", "text-classification", marks=pytest.mark.heavy),
    ],
    ids=["scores", "tags", "pairs", "roberta"],
)
def test_other_tasks_and_families_are_searched_for_too(
    search: str, data: str, family: str, kind: TaskKind, ask: Ask, run: Run, tiny_data: Path, tmp_path: Path
) -> None:
    teacher = other_teacher(family, kind, tmp_path / "other-teacher")
    request = replace(
        ask(TIGHT * int8_ms(teacher), max_accuracy_drop_points=100.0),
        teacher=str(teacher),
        data=str(other_data(data, tiny_data, tmp_path / "other-data")),
        search=search,
    )
    with pytest.raises(StoppedError):
        run(request, stop_after="distil")
    folder = run_folder(tmp_path / "cache")
    (found,) = load(Finalists, folder / "search.json").students
    shape = found.architecture
    assert shape.kind == kind
    trained = load_file(folder / "student.safetensors")
    assert all(bool(value.isfinite().all()) for value in trained.values())
    if shape.cells is not None:
        assert any(edge.block != IDENTITY for node in shape.cells.nodes for edge in node)
        assert (shape.cells.aggregation is None) == (kind == "token-classification")


def test_an_unknown_search_is_refused_with_the_nearest(ask: Ask, run: Run) -> None:
    with pytest.raises(InputError, match=r"got 'nas_kd'; did you mean 'nas-kd'\?"):
        run(replace(ask(1.0), search="nas_kd"))


@pytest.mark.parametrize("search", [NAS_KD, "kd-nas"])
def test_a_search_that_cuts_nothing_takes_no_start(ask: Ask, run: Run, search: str) -> None:
    with pytest.raises(InputError, match=f"--search {search} cuts no network; leave one of them out"):
        run(replace(ask(1.0), search=search, starts=("somewhere",)))

"""Networks that are cut beside the teacher."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pipeline_runs import TIGHT, Ask, Run, Times, missed_latency, run_folder
from safetensors.torch import load_file, save_file
from tiny import SHAPE, Watcher

from compressor.errors import ExitCode, InfeasibleError, InputError
from compressor.export import EVIDENCE
from compressor.pipeline import StoppedError, distilling, plan_for, searching
from compressor.pipeline.stages import prepare
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Precision
from compressor.records.evidence import Evidence
from compressor.records.recipe import Recipe
from compressor.records.request import CompressRequest
from compressor.records.serial import load
from compressor.records.stages import Finalists, Raced
from compressor.search import SearchProblem
from compressor.space import factorising


@pytest.fixture
def request_of(ask: Ask, teacher_ms: Times) -> CompressRequest:
    return ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0)


def test_a_network_without_a_head_is_distilled_and_joins_the_race(
    request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path
) -> None:
    watcher = Watcher()
    outcome = run(replace(request_of, starts=(str(bare),)), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    folder = run_folder(tmp_path / "cache")
    finalists, raced = load(Finalists, folder / "search.json"), load(Raced, folder / "race.json")
    own = dict(zip(finalists.names, finalists.students, strict=True))["exact-start-1"]
    assert own.source is not None
    assert own.source.tag == "-start-1"
    assert own.source.root == own.source.architecture  # uncut
    assert own.architecture != own.source.architecture  # the limit is below the teacher's time
    assert len(raced.divergences) == len(finalists.students)
    given, distilled = (load_file(folder / f"{name}-start-1.safetensors") for name in ("given", "student"))
    assert any(not torch.equal(given[name], distilled[name]) for name in given)
    assert watcher.begun.count("distil") == 2


@pytest.fixture
def the_start_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    wins(monkeypatch, "exact-start-1")


def wins(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A race whose winner is known."""

    def won(bench: object, finalists: Finalists, *, tag: str) -> Raced:
        return Raced(finalists.names.index(name), ())

    monkeypatch.setattr(distilling, "race", won)


@pytest.mark.usefixtures("the_start_wins")
def test_a_winner_that_was_cut_out_of_a_start_ships(
    request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path
) -> None:
    outcome = run(replace(request_of, starts=(str(bare),)))
    assert outcome.student is not None  # of the teacher's shape: students of lower limits may be cut out of it
    finalists = load(Finalists, run_folder(tmp_path / "cache") / "search.json")
    assert outcome.report.architecture == finalists.students[finalists.names.index("exact-start-1")].architecture


@pytest.mark.usefixtures("the_start_wins")
def test_a_student_of_another_shape_than_the_teacher_assists_nobody(
    request_of: CompressRequest, run: Run, shallow: Path
) -> None:
    outcome = run(replace(request_of, starts=(str(shallow),)))
    assert outcome.report.chosen == "student"
    assert outcome.student is None


def test_two_starts_of_one_shape_share_a_table(
    request_of: CompressRequest, run: Run, shallow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wins(monkeypatch, "exact-start-2")
    outcome = run(replace(request_of, starts=(str(shallow), str(shutil.copytree(shallow, tmp_path / "twin")))))
    folder = run_folder(tmp_path / "cache")
    assert {path.name for path in folder.glob("table*.json")} == {"table.json", "table-start-1.json"}
    finalists = load(Finalists, folder / "search.json")
    tables = dict(zip(finalists.names, (student.table for student in finalists.students), strict=True))
    assert (tables["exact"], tables["exact-start-1"], tables["exact-start-2"]) == ("", "-start-1", "-start-1")
    evidence = load(Evidence, outcome.bundle / EVIDENCE)
    parts = sum(part.cost_us for part in evidence.parts) / 1e3
    assert parts == pytest.approx(outcome.report.verification.latency.summary.p50_ms, rel=0.2)


@pytest.mark.usefixtures("the_start_wins")
def test_a_student_of_a_start_that_is_cut_further_keeps_its_table(
    request_of: CompressRequest, run: Run, narrow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed_latency(monkeypatch, times=1)
    monkeypatch.setattr("compressor.pipeline.run._time_for", lambda *given: True)
    outcome = run(replace(request_of, starts=(str(narrow),)))
    assert outcome.report.evaluation_reads == 2
    folder = run_folder(tmp_path / "cache")
    first, second = (load(Finalists, folder / f"search{tag}.json") for tag in ("", "-2"))
    for student in (first.students[first.names.index("exact-start-1")], *second.students):
        assert student.table == "-start-1"
        assert student.source is not None
        assert student.source.root.hidden == student.architecture.hidden == 16
    evidence = load(Evidence, outcome.bundle / EVIDENCE)
    parts = sum(part.cost_us for part in evidence.parts) / 1e3
    assert parts == pytest.approx(outcome.report.verification.latency.summary.p50_ms, rel=0.2)


def test_a_limit_that_only_a_start_keeps_is_not_refused(ask: Ask, narrow: Path, tmp_path: Path) -> None:
    def bound(limit_ms: float | None, *starts: Path) -> float:
        request = replace(ask(limit_ms), starts=tuple(map(str, starts)))
        found = prepare(Workbench(request, cache=tmp_path / "cache", observer=Watcher())).lower_bound_ms
        assert found is not None
        return found

    alone, beside = bound(None), bound(None, narrow)
    assert beside < alone
    between = (alone + beside) / 2
    with pytest.raises(InfeasibleError, match="the smallest student, one head of the teacher, takes"):
        bound(between)
    assert bound(between, narrow) == pytest.approx(beside)
    with pytest.raises(InfeasibleError, match="one head of the teacher or of a network of --start, takes") as caught:
        bound(0.9 * beside, narrow)
    assert caught.value.nearest_ms < 1.2 * beside


@pytest.fixture
def nothing_of_the_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cut of it keeps any limit."""
    whole = searching.confirm

    def confirm(problem: SearchProblem, *given: Any, **more: Any) -> Any:
        if len(problem.source.layers) == len(SHAPE.layers):
            raise InfeasibleError("nothing of the teacher", nearest_ms=9.0, cost="everything")
        return whole(problem, *given, **more)

    monkeypatch.setattr(searching, "confirm", confirm)


@pytest.mark.usefixtures("nothing_of_the_teacher")
@pytest.mark.parametrize("race", [True, False])
def test_a_start_is_searched_where_the_teacher_has_nothing(
    request_of: CompressRequest, run: Run, shallow: Path, tmp_path: Path, race: bool
) -> None:
    watcher = Watcher()
    request = replace(request_of, starts=(str(shallow),), recipe=Recipe(race=race))
    outcome = run(request, watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert load(Finalists, run_folder(tmp_path / "cache") / "search.json").names == ("exact-start-1",)
    assert "no finalist from exact: nothing of the teacher" in watcher.notes


@pytest.mark.usefixtures("nothing_of_the_teacher")
def test_where_nothing_has_anything_the_nearest_limit_of_all_is_named(
    request_of: CompressRequest, run: Run, bare: Path
) -> None:
    with pytest.raises(InfeasibleError, match="nothing of the teacher"):
        run(request_of)
    with pytest.raises(InfeasibleError, match="nothing of the teacher"):
        run(replace(request_of, starts=(str(bare),)))


def test_another_start_is_another_run(request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path) -> None:
    request = replace(request_of, starts=(str(bare),))
    for _ in range(2):
        with pytest.raises(StoppedError):
            run(request, stop_after="prepare")
        weights = load_file(bare / "model.safetensors")
        save_file({name: tensor + 1 for name, tensor in weights.items()}, bare / "model.safetensors")
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 2


@pytest.fixture
def refused(request_of: CompressRequest, run: Run) -> Callable[..., None]:
    """A run with a start that cannot be used ends before its first stage; so does its plan."""

    def check(folder: Path, match: str, **changes: Any) -> None:
        watcher = Watcher()
        request = replace(request_of, starts=(str(folder),), **changes)
        with pytest.raises(InputError, match=match):
            run(request, watcher=watcher)
        assert watcher.begun == []

    return check


def test_other_tokens_are_refused(refused: Callable[..., None], bare: Path) -> None:
    path = bare / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    words = list(vocabulary)
    vocabulary.update({words[-1]: vocabulary[words[-2]], words[-2]: vocabulary[words[-1]]})
    vocabulary.update(dict(zip(words[5:], [vocabulary[word] for word in [*words[6:], words[5]]], strict=True)))
    path.write_text(json.dumps(tokenizer))
    refused(bare, "expected the teacher's tokenizer")


def test_fewer_positions_than_the_teacher_are_refused(refused: Callable[..., None], bare: Path) -> None:
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 20}))
    refused(bare, "positions, found 20")


def test_a_family_without_an_adapter_is_refused(refused: Callable[..., None], bare: Path) -> None:
    (bare / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    refused(bare, "--start .*expected one of bert, .*'mamba'")


def test_a_folder_that_is_not_there_is_refused(refused: Callable[..., None], tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere")


def test_a_plan_refuses_them_too(request_of: CompressRequest, bare: Path, tmp_path: Path) -> None:
    (bare / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(InputError, match="'mamba'"):
        plan_for(replace(request_of, starts=(str(bare),)), cache=tmp_path / "cache", observer=Watcher())


def test_with_a_vocabulary_of_its_own_an_engine_is_cut_out_of_nothing_else(
    refused: Callable[..., None], request_of: CompressRequest, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorising, "WORDS_SHARE", 1e-6)  # no room for whole words in any size
    budget = replace(request_of.budget, max_size_bytes=10_000_000)
    refused(bare, "--start and --max-size 10.0 MB do not go together", budget=budget)

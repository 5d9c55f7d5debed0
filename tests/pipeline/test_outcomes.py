"""From a request to a bundle: each way that a run can end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import DAMAGING, TIGHT, Ask, Run, Times, Whole, missed_latency, run_folder
from tiny import Watcher, write_profile

from compressor.errors import ExitCode, InfeasibleError, InputError, ResourceError, TooLargeError, UnavailableError
from compressor.export import ENGINE, EVALUATION, EVIDENCE, MANIFEST, MODEL, PAGE, REPORT, EvaluationData
from compressor.pipeline import STAGES, StoppedError, finishing, searching, workbench
from compressor.records.architecture import Layer, Precision
from compressor.records.evidence import Evidence
from compressor.records.promise import Reason, Verdict
from compressor.records.recipe import Recipe
from compressor.records.results import COMPILED, ROW_NAMES, Report, Verification
from compressor.records.serial import load
from compressor.records.stages import Finalists
from compressor.tasks import get_metric, points
from compressor.verification import read_manifest

RECORDS = {EVALUATION, EVIDENCE, MANIFEST, PAGE, REPORT}
BUNDLE = {MODEL, ENGINE, *RECORDS, "config.json", "tokenizer.json", "tokenizer_config.json"}


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_the_ladder_stops_at_the_first_rung_that_keeps_the_limit(
    ask: Ask, run: Run, teacher_ms: Times, precision: Precision
) -> None:
    watcher = Watcher()
    outcome = run(ask(1.2 * teacher_ms[precision]), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.chosen == ROW_NAMES[precision]
    assert outcome.report.precision is precision
    assert outcome.report.architecture.layers == (Layer(4, 64), Layer(4, 64))
    assert watcher.begun == ["prepare", "ladder", "export", "verify", "compare", "report"]


def test_a_tight_limit_gives_a_pruned_student_that_keeps_it(whole: Whole) -> None:
    limit_ms = whole.request.budget.max_latency_ms
    assert limit_ms is not None
    assert whole.outcome.exit_code is ExitCode.MET
    assert whole.watcher.begun == list(STAGES)
    assert not any(whole.watcher.cached.values())
    found = whole.outcome.report
    assert found.chosen == "student"
    assert sum(w.heads + w.neurons for w in found.architecture.layers) < 2 * (4 + 64)
    assert found.verification.latency.summary.p95_ms <= limit_ms
    assert found.predicted_ms == pytest.approx(found.verification.latency.summary.p50_ms, rel=0.05)
    assert whole.outcome.bundle == whole.cache.parent / "bundle"
    assert {path.name for path in whole.outcome.bundle.iterdir()} == BUNDLE


def test_the_evidence_is_that_of_the_run_and_on_the_page(whole: Whole) -> None:
    report, folder = whole.outcome.report, whole.outcome.bundle
    evidence, shape = load(Evidence, folder / EVIDENCE), report.architecture
    assert shape is not None
    built = {trial.shape: trial for trial in evidence.trials}
    shipped = built[" ".join(f"{layer.heads}/{layer.neurons}" for layer in shape.layers)]
    assert shipped.measured_ms == pytest.approx(report.verification.latency.summary.p50_ms, rel=0.05)
    assert len(evidence.parts) == 1 + sum((layer.heads > 0) + (layer.neurons > 0) for layer in shape.layers)
    assert sum(part.cost_us for part in evidence.parts) / 1e3 == pytest.approx(report.predicted_ms, rel=0.1)
    assert {"attention", "feed-forward"} <= {curve.name for curve in evidence.curves}
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "every promise is kept" in page
    assert shipped.shape in page


def test_the_numbers_of_a_report_fit_together_and_the_bundle(whole: Whole, teacher_ms: Times) -> None:
    outcome = whole.outcome
    report, manifest = outcome.report, read_manifest(outcome.bundle)
    assert load(Report, outcome.bundle / REPORT) == report
    data = EvaluationData.load(outcome.bundle / EVALUATION)
    measure = get_metric("accuracy")
    accuracy = report.verification.accuracy
    assert accuracy.rows == len(data.targets) == 200
    assert accuracy.points == pytest.approx(points(measure(data.engine, data.targets)))
    teacher_points = points(measure(data.teacher, data.targets))
    assert accuracy.drop_points == pytest.approx(teacher_points - accuracy.points)
    assert report.evaluation_reads == 1
    rows = {row.name: row for row in report.rows}
    assert set(rows) == {COMPILED, ROW_NAMES[Precision.INT8], "student"}
    assert rows[COMPILED].accuracy_points == pytest.approx(teacher_points)
    assert rows["student"].accuracy_points == accuracy.points
    assert rows["student"].p50_ms == report.verification.latency.summary.p50_ms
    assert rows["student"].size_bytes < rows[ROW_NAMES[Precision.INT8]].size_bytes < rows[COMPILED].size_bytes
    assert rows[COMPILED].p50_ms == pytest.approx(teacher_ms[Precision.FP32], rel=1e-3)
    assert report.speed_up == pytest.approx(rows[COMPILED].p50_ms / rows["student"].p50_ms)
    assert manifest.architecture == report.architecture
    assert manifest.budget == report.budget
    assert manifest.task == report.task
    assert (report.workload.batch, report.workload.sequence_length, report.workload.threads) == (4, 32, 1)
    assert report.lengths["share_longer"] == 0


def test_a_limit_that_costs_too_much_accuracy_is_built_but_missed(ask: Ask, run: Run, teacher_ms: Times) -> None:
    request = ask(DAMAGING * teacher_ms[Precision.INT8], max_accuracy_drop_points=0.0)
    outcome = run(replace(request, recipe=Recipe(race=False, staged=False, augmented=False)))
    assert outcome.exit_code is ExitCode.MISSED
    assert outcome.report.verification.reasons == (Reason.ACCURACY_OVER_BUDGET,)
    assert outcome.report.verification.latency.verdict is Verdict.MET
    assert outcome.report.verification.accuracy.drop_points > 0
    assert read_manifest(outcome.bundle)


def test_a_rung_that_is_too_big_is_not_tried(ask: Ask, run: Run, teacher_ms: Times) -> None:
    first = run(ask(1.2 * teacher_ms[Precision.FP32])).report
    sizes = {row.name: row.size_bytes for row in first.rows}
    between = (sizes[COMPILED] + sizes[ROW_NAMES[Precision.INT8]]) // 2
    outcome = run(ask(1.2 * teacher_ms[Precision.FP32], max_size_bytes=between), output="smaller")
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]
    assert outcome.report.evaluation_reads == 1
    check = outcome.report.verification.size
    assert check.engine_bytes + check.tokenizer_bytes <= between


def test_a_size_that_nothing_keeps_is_refused_at_once(ask: Ask, run: Run, teacher_ms: Times) -> None:
    watcher = Watcher()
    with pytest.raises(TooLargeError, match=r"--max-size .* cannot be kept: the smallest student"):
        run(ask(1.2 * teacher_ms[Precision.FP32], max_size_bytes=10), watcher=watcher)
    assert watcher.begun == ["prepare"]


def test_a_student_that_misses_only_its_latency_is_cut_further_for_the_tail_that_was_met(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_ms = 0.95 * teacher_ms[Precision.INT8]
    met = missed_latency(monkeypatch, times=1)
    watcher = Watcher()
    outcome = run(ask(limit_ms, time_budget_s=600.0), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.evaluation_reads == 2
    first, second = (check.latency.summary.p50_ms for check in met)
    assert second < first
    assert second * 1.3 <= limit_ms  # planned for the tail that was met
    assert watcher.begun.count("distil") == 2
    # That there was time for it is written down: a continuation must not decide anew.
    assert '{"name": "repair-2", "value": 1}' in (run_folder(tmp_path / "cache") / "choices.jsonl").read_text()
    assert outcome.report.verification.accuracy.drop_points <= 5


@pytest.fixture
def time_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for every further candidate in the time budget of a minute, which makes every training short."""
    monkeypatch.setattr("compressor.pipeline.run._time_for", lambda *given: True)


@pytest.mark.usefixtures("time_for_all")
def test_the_best_of_those_that_failed_ships_not_the_last(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = missed_latency(monkeypatch, times=3)
    too_slow = finishing.verify_bundle

    def worse_and_worse(*args: Any, **kwargs: Any) -> Verification:
        found = too_slow(*args, **kwargs)
        if len(met) == 1:
            return found
        accuracy = replace(found.accuracy, drop_points=met[0].accuracy.drop_points + 150, verdict=Verdict.MISSED)
        return replace(found, accuracy=accuracy, reasons=(*found.reasons, Reason.ACCURACY_OVER_BUDGET))

    monkeypatch.setattr(finishing, "verify_bundle", worse_and_worse)
    request, watcher = ask(0.95 * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0), Watcher()
    outcome = run(request, watcher=watcher)
    assert outcome.exit_code is ExitCode.MISSED
    assert outcome.report.evaluation_reads == len(met) == 2
    assert outcome.report.verification.accuracy == met[0].accuracy
    assert outcome.report.verification.reasons == (Reason.LATENCY_OVER_LIMIT,)
    assert any(note.startswith("the best of 2 candidates ships: student, missed, drop ") for note in watcher.notes)
    folder = run_folder(tmp_path / "cache")
    shapes = [load(Finalists, folder / f"search{tag}.json").students for tag in ("", "-2")]
    assert outcome.report.architecture in {student.architecture for student in shapes[0]}
    assert outcome.report.architecture not in {student.architecture for student in shapes[1]}
    assert (outcome.bundle / ENGINE).read_bytes() == (folder / "bundle" / ENGINE).read_bytes()
    assert load(Report, outcome.bundle / REPORT) == outcome.report
    assert {path.name for path in folder.glob("compare*.json")} == {"compare.json"}
    assert outcome.student is not None
    assert outcome.student.architecture == outcome.report.architecture


def test_where_no_student_can_be_made_behind_a_candidate_that_is_what_there_is(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed_latency(monkeypatch, times=1)
    searched: list[int] = []

    def nothing(*given: Any, **more: Any) -> None:
        searched.append(1)
        raise InfeasibleError("nothing here", nearest_ms=9.0, cost="everything")

    monkeypatch.setattr(searching, "search", nothing)
    request = ask(1.2 * teacher_ms[Precision.INT8])  # the int8 teacher seemed to keep it
    for output in ("bundle", "again"):
        watcher = Watcher()
        outcome = run(request, watcher=watcher, output=output)
        assert outcome.exit_code is ExitCode.MISSED
        assert outcome.report.chosen == ROW_NAMES[Precision.INT8]
        assert outcome.report.evaluation_reads == 1
        assert "no further student: nothing here" in watcher.notes
    assert len(searched) == 1  # it is written down, and not found out again


def test_too_little_memory_for_a_student_is_the_end_of_the_candidates(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed_latency(monkeypatch, times=1)

    def no_memory(*given: Any) -> None:
        raise ResourceError("training a student takes more")

    monkeypatch.setattr(workbench.Workbench, "check_training_memory", no_memory)
    watcher = Watcher()
    outcome = run(ask(1.2 * teacher_ms[Precision.INT8]), watcher=watcher)
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]
    assert "no further student: training a student takes more" in watcher.notes
    with pytest.raises(ResourceError, match="training a student takes more"):
        run(ask(TIGHT * teacher_ms[Precision.INT8]), output="alone")  # nothing else was built


def test_an_impossible_limit_is_refused_before_anything_is_trained(
    ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path
) -> None:
    watcher = Watcher()
    limit_ms = 0.1 * teacher_ms[Precision.INT8]
    with pytest.raises(InfeasibleError, match=r"cannot be kept on this device: the smallest student") as caught:
        run(ask(limit_ms), watcher=watcher)
    assert watcher.begun == ["prepare"]
    assert limit_ms < caught.value.nearest_ms < teacher_ms[Precision.INT8]
    assert "points of accuracy on the selection split" in caught.value.cost
    assert not (tmp_path / "bundle").exists()


def test_without_a_limit_the_fastest_that_keeps_the_accuracy_is_sought(ask: Ask, run: Run, teacher_ms: Times) -> None:
    watcher = Watcher()
    outcome = run(ask(None, time_budget_s=600.0), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.chosen == "student"
    assert outcome.report.verification.latency.limit_ms is None
    assert outcome.report.verification.latency.summary.p95_ms <= 0.5 * teacher_ms[Precision.INT8]
    assert outcome.report.evaluation_reads == 1


@pytest.mark.usefixtures("time_for_all")
def test_without_a_limit_what_loses_too_much_after_all_has_the_next_behind_it(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compressor.pipeline.run.WALK", (TIGHT,))
    verify_bundle, lost = finishing.verify_bundle, list[Verification]()

    def lost_by_the_first(*args: Any, **kwargs: Any) -> Verification:
        found = verify_bundle(*args, **kwargs)
        if lost:
            return found
        lost.append(found)
        accuracy = replace(found.accuracy, verdict=Verdict.MISSED)
        return replace(found, accuracy=accuracy, verdict=Verdict.MISSED, reasons=(Reason.ACCURACY_OVER_BUDGET,))

    monkeypatch.setattr(finishing, "verify_bundle", lost_by_the_first)
    watcher = Watcher()
    outcome = run(ask(None, max_accuracy_drop_points=100.0), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]  # the fastest teacher
    assert outcome.report.evaluation_reads == 2
    assert lost[0].latency.summary.p50_ms < outcome.report.verification.latency.summary.p50_ms
    assert watcher.begun.count("verify") == 2


def test_without_a_limit_and_time_the_fastest_teacher_is_taken(ask: Ask, run: Run) -> None:
    watcher = Watcher()
    outcome = run(ask(None, time_budget_s=1.0), watcher=watcher)
    assert outcome.report.chosen == ROW_NAMES[Precision.INT8]
    assert "the time budget ends the walk to lower limits" in watcher.notes
    assert "distil" not in watcher.begun


@pytest.mark.parametrize("stage", ["prepare", "search", "compare"])
def test_stop_after_stops_behind_that_stage(ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path, stage: str) -> None:
    watcher = Watcher()
    with pytest.raises(StoppedError, match=f"^{stage}$"):
        run(ask(TIGHT * teacher_ms[Precision.INT8]), watcher=watcher, stop_after=stage)
    assert watcher.begun == list(STAGES)[: list(STAGES).index(stage) + 1]
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_stage_is_refused_with_the_known_ones(ask: Ask, run: Run) -> None:
    with pytest.raises(InputError, match=r"--stop-after: expected one of prepare, .*, report, got 'distill'"):
        run(ask(1.0), stop_after="distill")


def test_a_place_that_is_taken_is_refused_before_anything_is_done(ask: Ask, run: Run, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "precious").touch()
    with pytest.raises(InputError, match=r"--output: .* or --force to replace it"):
        run(ask(1.0))
    assert not (tmp_path / "cache" / "runs").exists()


def test_force_replaces_what_was_there(ask: Ask, run: Run, teacher_ms: Times, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "left over").touch()
    outcome = run(ask(2 * teacher_ms[Precision.FP32]), force=True)
    assert {path.name for path in outcome.bundle.iterdir()} == BUNDLE


def test_more_threads_than_there_are_are_refused(ask: Ask, run: Run) -> None:
    with pytest.raises(InputError, match="--threads: expected at most 1, the cores that this process may use, got 2"):
        run(replace(ask(1.0), threads=2))


def test_a_target_that_is_not_this_machine_is_unavailable(
    ask: Ask, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = replace(workbench.fingerprint(), flags=("avx2",))
    monkeypatch.setattr(workbench, "fingerprint", lambda: plain)
    target = write_profile(tmp_path, name="other", requires=("avx512_vnni",))
    with pytest.raises(UnavailableError, match=r"target 'other' .* is not available on this device, .*avx512_vnni"):
        run(replace(ask(1.0), target=str(target)))

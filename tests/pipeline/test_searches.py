"""Whole runs with the searches beside the default: limits kept, killed and continued, the same words for all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder

from compressor.errors import ExitCode, InfeasibleError, InputError
from compressor.pipeline import cells, distilling, shapes
from compressor.records.architecture import Precision
from compressor.records.request import CompressRequest
from compressor.records.serial import load
from compressor.records.stages import Finalists
from compressor.search import EPISODIC, NAS_KD
from compressor.verification import Prediction, Predictor

SEARCHES = (NAS_KD, *EPISODIC)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few tries, a few steps."""
    monkeypatch.setattr(cells, "LEAST_STEPS", 4)
    monkeypatch.setattr(cells, "SEARCH_SHARE", 1e-9)
    monkeypatch.setattr(cells, "PROBE_STEPS", 1)
    monkeypatch.setattr(shapes.ShapeSearch, "_more", lambda self, tried: tried < 3)


@pytest.fixture
def request_of(ask: Ask, teacher_ms: Times) -> Callable[[str], CompressRequest]:
    def make(search: str) -> CompressRequest:
        return replace(ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0), search=search)

    return make


@pytest.mark.parametrize("search", SEARCHES)
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
    (found,) = load(Finalists, run_folder(tmp_path / "cache") / "search.json").students
    assert found.architecture == shape
    assert all(isinstance(answer, Prediction) for answer in Predictor(outcome.bundle)(["a film", "no film at all"]))
    assert (outcome.bundle / "report.html").exists()


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

    def killed(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    module, name = (cells, "confirm") if search == NAS_KD else (shapes.ShapeSearch, "_confirmed")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, name, killed)
        run(request, fresh=True, output="again")
    run(request, output="again")
    assert student.read_bytes() == bits


@pytest.mark.parametrize("search", SEARCHES)
def test_a_limit_that_nothing_keeps_ends_with_the_nearest(
    search: str, ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distilling, "distil", None)  # is not reached
    request = replace(ask(0.02 * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0), search=search)
    with pytest.raises(InfeasibleError) as caught:
        run(request)
    assert caught.value.nearest_ms > request.budget.max_latency_ms
    assert caught.value.cost


def test_an_unknown_search_is_refused_with_the_nearest(ask: Ask, run: Run) -> None:
    with pytest.raises(InputError, match=r"got 'nas_kd'; did you mean 'nas-kd'\?"):
        run(replace(ask(1.0), search="nas_kd"))


@pytest.mark.parametrize("search", [NAS_KD, "kd-nas"])
def test_a_search_that_cuts_nothing_takes_no_start(ask: Ask, run: Run, search: str) -> None:
    with pytest.raises(InputError, match=f"--search {search} cuts no network; leave one of them out"):
        run(replace(ask(1.0), search=search, starts=("somewhere",)))

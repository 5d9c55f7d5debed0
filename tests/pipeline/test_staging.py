"""A deep cut in two: an assistant is cut out of the teacher, trained, and cut again."""

from dataclasses import replace
from pathlib import Path

import pytest
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from tiny import Watcher

from compressor.distill import recipe
from compressor.errors import ExitCode
from compressor.pipeline import distilling
from compressor.records.architecture import Precision
from compressor.records.recipe import Recipe
from compressor.records.request import CompressRequest
from compressor.records.serial import load
from compressor.records.stages import Finalists, Raced


@pytest.fixture
def deep(ask: Ask, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch) -> CompressRequest:
    """A limit that counts as deep."""
    monkeypatch.setattr(recipe, "DEEP", 0.95)
    return ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0)


def test_the_student_is_cut_out_of_the_assistant(deep: CompressRequest, run: Run, tmp_path: Path) -> None:
    watcher = Watcher()
    outcome = run(deep, watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    assert [stage for stage in watcher.begun if stage in ("score", "search", "race", "distil")] == [
        *("score", "search", "distil"),
        *("score", "search", "race", "distil"),
    ]
    folder = run_folder(tmp_path / "cache")
    assistant = load(Finalists, folder / "search-assistant.json").students[0]
    student = load(Finalists, folder / "search.json").students[load(Raced, folder / "race.json").winner]
    assert len(student.widths) == len(assistant.architecture.layers)
    for narrow, wide in zip(student.widths, assistant.architecture.layers, strict=True):
        assert narrow.heads <= wide.heads
        assert narrow.neurons <= wide.neurons
    assert student.architecture != assistant.architecture
    assert outcome.report.architecture == student.architecture


def test_killed_behind_the_assistant_it_ends_with_the_same_bits(
    deep: CompressRequest, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(deep)
    student = run_folder(tmp_path / "cache") / "student.safetensors"
    bits = student.read_bytes()

    def killed(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(distilling, "race", killed)
        run(deep, fresh=True, output="again")
    watcher = Watcher()
    found = run(deep, watcher=watcher, output="again")
    assert student.read_bytes() == bits
    assert found.report.architecture == whole.report.architecture
    assert watcher.begun.count("distil") == 2


def test_without_staging_there_is_no_assistant(deep: CompressRequest, run: Run, tmp_path: Path) -> None:
    run(replace(deep, recipe=Recipe(staged=False)))
    assert not (run_folder(tmp_path / "cache") / "search-assistant.json").exists()

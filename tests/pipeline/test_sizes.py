"""`--max-size` decides what a student is: fewer weights in its layers, and a narrower word table."""

import pytest
from pipeline_runs import Ask, Run, Times, Whole
from tiny import Watcher

from compressor.errors import ExitCode
from compressor.export import tokenizer_bytes
from compressor.pipeline import workbench
from compressor.records.architecture import Precision
from compressor.space import factorising


def size_of(whole: Whole) -> int:
    check = whole.outcome.report.verification.size
    return check.engine_bytes + check.tokenizer_bytes


def test_a_student_is_cut_until_it_is_small_enough(ask: Ask, run: Run, teacher_ms: Times, whole: Whole) -> None:
    """At a limit that much larger students keep."""
    most = size_of(whole)
    outcome = run(ask(0.98 * teacher_ms[Precision.INT8], max_size_bytes=most))
    check = outcome.report.verification.size
    assert outcome.report.chosen == "student"
    assert check.engine_bytes + check.tokenizer_bytes <= most
    assert outcome.exit_code is ExitCode.MET


def test_words_get_a_narrower_table_where_there_is_no_room(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorising, "WORDS_SHARE", 1e-6)
    watcher = Watcher()
    outcome = run(ask(0.9 * teacher_ms[Precision.INT8], max_size_bytes=10_000_000), watcher=watcher)
    shape = outcome.report.architecture
    assert shape is not None
    assert shape.word_rank == factorising.RANK_MULTIPLE
    assert outcome.exit_code is ExitCode.MET


def test_without_a_limit_nothing_is_factorised(whole: Whole) -> None:
    shape = whole.outcome.report.architecture
    assert shape is not None
    assert shape.word_rank is None


def test_the_tokenizer_is_not_room_for_words(ask: Ask, tiny_teacher, tmp_path, monkeypatch) -> None:
    found = []
    monkeypatch.setattr(workbench, "affordable_rank", lambda shape, room, *, value_bytes: found.append(room))
    bench = workbench.Workbench(ask(5.0, max_size_bytes=1_000_000), cache=tmp_path, observer=Watcher())
    assert bench.root is bench.canonical.encoder
    assert found == [1_000_000 - tokenizer_bytes(tiny_teacher)]

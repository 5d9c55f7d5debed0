"""The teacher's answers are computed once for a teacher and a text, whatever limit, seed or share is asked for."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import Ask
from tiny import Watcher

from compressor.distill.recipe import LONGER, MOST_COPIES
from compressor.pipeline import labelling
from compressor.pipeline.answering import ANSWERS, teacher_answers, text_digest
from compressor.pipeline.workbench import Workbench
from compressor.records.recipe import Recipe
from compressor.tasks import Tokens


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every model run."""
    seen: list[int] = []
    whole = Workbench.fp32_outputs

    def counted(bench: Workbench, graph: object, tokens: object, **options: bool) -> object:
        seen.append(len(tokens))  # type: ignore[arg-type]
        return whole(bench, graph, tokens, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Workbench, "fp32_outputs", counted)
    return seen


def bench_of(ask: Ask, tmp_path: Path, *, fresh: bool = False, seed: int = 0, limit_ms: float = 1.0) -> Workbench:
    watcher = Watcher()
    watcher.begin("label", "answer the text")
    return Workbench(ask(limit_ms, seed=seed), cache=tmp_path / "cache", observer=watcher, fresh=fresh)


def test_another_limit_and_seed_find_them(ask: Ask, tmp_path: Path, calls: list[int]) -> None:
    first = teacher_answers(bench_of(ask, tmp_path))
    assert len(calls) == 1
    second = teacher_answers(bench_of(ask, tmp_path, seed=7, limit_ms=2.0))
    assert len(calls) == 1
    np.testing.assert_array_equal(first, second)


def test_a_label_stage_takes_the_rows_that_are_trained_on(ask: Ask, tmp_path: Path) -> None:
    for seed in (0, 7):
        bench = bench_of(ask, tmp_path, seed=seed)
        labels = labelling.label(bench)
        assert labels.rows == (1 + MOST_COPIES) * len(bench.train)
        assert len(bench.train) == len(bench.corpus) - len(bench.selection.tokens)
        direct = bench.fp32_outputs(bench.teacher_graph, bench.train)
        np.testing.assert_allclose(np.load(bench.run.file("logits.npy"))[: len(direct)], direct, atol=1e-5)


def test_a_damaged_file_and_a_fresh_run_are_answered_anew(ask: Ask, tmp_path: Path, calls: list[int]) -> None:
    first = teacher_answers(bench_of(ask, tmp_path))
    (path,) = (tmp_path / "cache" / ANSWERS).iterdir()
    for damage in (b"no array", path.read_bytes()[:-20]):
        path.write_bytes(damage)
        np.testing.assert_array_equal(teacher_answers(bench_of(ask, tmp_path)), first)
    np.save(path, first[:-1])  # of another text
    np.testing.assert_array_equal(teacher_answers(bench_of(ask, tmp_path)), first)
    assert len(calls) == 4
    teacher_answers(bench_of(ask, tmp_path, fresh=True))
    assert len(calls) == 5
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_teacher_is_asked_itself(
    ask: Ask, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(ask, tmp_path)
    teacher_answers(bench)
    other = bench_of(ask, tmp_path)
    monkeypatch.setitem(other.__dict__, "teacher", replace(bench.canonical, digest="0" * 16))
    teacher_answers(other)
    assert len(calls) == 2


def test_other_rows_of_the_same_data_are_asked_themselves(
    ask: Ask, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows in another order: read with the same columns, but for another purpose."""
    first = bench_of(ask, tmp_path)
    answers = teacher_answers(first)
    other = bench_of(ask, tmp_path)
    monkeypatch.setitem(other.__dict__, "corpus", first.corpus.select(np.arange(len(first.corpus))[::-1]))
    np.testing.assert_allclose(teacher_answers(other), answers[::-1], atol=1e-5)
    assert len(calls) == 2
    np.testing.assert_array_equal(teacher_answers(bench_of(ask, tmp_path)), answers)
    assert len(calls) == 2


def test_the_same_text_in_other_data_finds_them(ask: Ask, tmp_path: Path, tiny_data: Path, calls: list[int]) -> None:
    teacher_answers(bench_of(ask, tmp_path))
    data = shutil.copytree(tiny_data, tmp_path / "data")
    (data / "dev.tsv").write_text("sentence\tlabel\nthe film was good\t1\nthe plot was dull\t0\n", encoding="utf-8")
    bench = Workbench(replace(ask(1.0), data=str(data)), cache=tmp_path / "cache", observer=Watcher())
    bench.observer.begin("label", "answer the text")
    teacher_answers(bench)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("ids", "offsets"), [((5, 6, 8), (0, 2, 3)), ((5, 6, 7), (0, 1, 3)), ((5, 6, 7), (0, 3))], ids=str
)
def test_the_digest_of_a_text_is_of_its_tokens_and_rows(ids: tuple[int, ...], offsets: tuple[int, ...]) -> None:
    def tokens(ids: tuple[int, ...], offsets: tuple[int, ...]) -> Tokens:
        return Tokens(np.array(ids, np.int32), np.zeros(len(ids), np.uint8), np.array(offsets, np.int64))

    first = text_digest(tokens((5, 6, 7), (0, 2, 3)))
    assert first == text_digest(tokens((5, 6, 7), (0, 2, 3)))
    assert first != text_digest(tokens(ids, offsets))


def test_changed_copies_are_trained_on_with_the_teachers_answers_to_them(
    ask: Ask, tmp_path: Path, calls: list[int]
) -> None:
    bench = bench_of(ask, tmp_path)
    labels = labelling.label(bench)
    tokens, logits = Tokens.load(bench.run.file("tokens")), np.load(bench.run.file("logits.npy"))
    rows = len(bench.train)
    assert labels.rows == len(tokens) == len(logits) == (1 + MOST_COPIES) * rows
    np.testing.assert_array_equal(tokens.select(np.arange(rows)).ids, bench.train.ids)
    changed = tokens.select(np.arange(rows, len(tokens)))
    special = bench.tokenizer.special_ids
    assert {changed.row(i)[0][0] for i in range(len(changed))} <= special  # every row still begins as it did
    direct = bench.fp32_outputs(bench.teacher_graph, changed)
    np.testing.assert_allclose(logits[rows:], direct, atol=1e-5)
    asked = len(calls)
    labelling.label(bench_of(ask, tmp_path, limit_ms=2.0))  # another limit finds the answers to the same copies
    assert len(calls) == asked


def test_two_rows_become_one_where_longer_texts_are_evaluated(ask: Ask, tmp_path: Path) -> None:
    bench = bench_of(ask, tmp_path)
    rows, longest = len(bench.train), bench.train.select(np.argsort(bench.train.lengths)[-5:])
    assert labelling.length_ratio(bench) < LONGER
    bench.__dict__["evaluation"] = replace(bench.evaluation, tokens=longest)
    assert labelling.length_ratio(bench) > LONGER
    labels = labelling.label(bench)
    tokens = Tokens.load(bench.run.file("tokens"))
    assert labels.rows == len(tokens) == (1 + MOST_COPIES) * rows
    lengths = tokens.lengths
    copies, longer = lengths[rows : (1 + MOST_COPIES // 2) * rows], lengths[(1 + MOST_COPIES // 2) * rows :]
    assert longer.mean() > 1.3 * copies.mean()
    assert lengths.max() == bench.train.lengths.max()


def test_a_recipe_without_copies_or_teacher_trains_on_the_text_alone(ask: Ask, tmp_path: Path) -> None:
    for recipe in (Recipe(augmented=False), Recipe(distilled=False)):
        bench = Workbench(replace(ask(1.0), recipe=recipe), cache=tmp_path / "cache", observer=Watcher(), fresh=False)
        bench.observer.begin("label", "answer the text")
        assert labelling.label(bench).rows == len(bench.train)


def test_a_sample_of_the_text_is_trained_on_where_the_teacher_is_slow(
    ask: Ask, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "rows_of", lambda rows, **given: 100)
    bench = bench_of(ask, tmp_path)
    bench.request = replace(bench.request, recipe=Recipe(augmented=False))
    assert labelling.label(bench).rows == 100
    assert calls == [100]  # nothing else was asked
    tokens, logits = Tokens.load(bench.run.file("tokens")), np.load(bench.run.file("logits.npy"))
    text = [tuple(bench.train.row(row)[0].tolist()) for row in range(len(bench.train))]
    sample = [tuple(tokens.row(row)[0].tolist()) for row in range(len(tokens))]
    assert set(sample) <= set(text)
    assert sample != text[:100]
    np.testing.assert_allclose(logits, bench.fp32_outputs(bench.teacher_graph, tokens), atol=1e-5)
    assert isinstance(bench.observer, Watcher)
    assert any(note.startswith(f"100 of {len(text)} rows of the text are trained on") for note in bench.observer.notes)
    again = bench_of(ask, tmp_path, limit_ms=2.0)
    again.request = replace(again.request, recipe=Recipe(augmented=False))
    asked = len(calls)
    labelling.label(again)
    assert len(calls) == asked  # the same rows, whose answers are kept

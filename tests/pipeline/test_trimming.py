"""A teacher of fewer words: the same on the training text, and held against the one with all words."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_runs import Ask, Run, Times
from tiny import Watcher

from compressor.errors import ExitCode, InputError
from compressor.pipeline.trimming import trim_words, with_words
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Precision
from compressor.space import factorising
from compressor.tasks import TextTokenizer
from compressor.teachers import load_teacher
from compressor.teachers.saving import save_teacher


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whole words in any size."""
    monkeypatch.setattr(factorising, "WORDS_SHARE", 1e-6)


@pytest.fixture
def rare(tiny_data: Path, tmp_path: Path) -> Path:
    """The data with a word less in its training text."""
    folder = tmp_path / "rare"
    folder.mkdir()
    for file in tiny_data.iterdir():
        lines = file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if file.name != "train.tsv" or "clumsy" not in line]
        (folder / file.name).write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


@pytest.mark.usefixtures("no_room")
def test_words_that_the_training_text_does_not_use_go(ask: Ask, rare: Path, tmp_path: Path) -> None:
    request = ask(5.0, max_size_bytes=10_000_000)
    bench = Workbench(replace(request, data=str(rare)), cache=tmp_path / "cache", observer=Watcher())
    whole = Workbench(bench.request, cache=tmp_path / "cache", observer=Watcher())
    trim_words(bench)
    assert bench.trimmed_from == Path(request.teacher)
    assert bench.teacher.folder != whole.teacher.folder
    before, after = whole.canonical.architecture.vocabulary, bench.canonical.architecture.vocabulary
    assert after < before
    vocabulary = json.loads((bench.teacher.folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert "clumsy" not in vocabulary
    assert len(vocabulary) == after
    np.testing.assert_array_equal(bench.train.lengths, whole.train.lengths)
    np.testing.assert_allclose(bench.selection_teacher, whole.selection_teacher, atol=1e-5)
    np.testing.assert_array_equal(bench.evaluation_teacher, whole.evaluation_teacher)


@pytest.mark.usefixtures("no_room")
def test_the_bundle_has_the_smaller_tokenizer_and_is_held_against_all_words(
    ask: Ask, run: Run, teacher_ms: Times, rare: Path
) -> None:
    request = replace(ask(0.9 * teacher_ms[Precision.INT8], max_size_bytes=10_000_000), data=str(rare))
    outcome = run(request)
    shape = outcome.report.architecture
    assert shape is not None
    assert shape.vocabulary < load_teacher(Path(request.teacher)).encoder.architecture.vocabulary
    assert outcome.report.teacher == request.teacher
    assert any("tokens of the vocabulary are left" in note for note in outcome.report.notes)
    assert outcome.exit_code in (ExitCode.MET, ExitCode.MISSED)
    tokens = TextTokenizer(outcome.bundle).encode([("the film was clumsy",)], max_length=32)
    assert int(tokens.ids.max()) < shape.vocabulary


def test_with_room_for_all_words_nothing_is_trimmed(ask: Ask, tmp_path: Path) -> None:
    for size in (None, 10_000_000):
        bench = Workbench(ask(5.0, max_size_bytes=size), cache=tmp_path, observer=Watcher())
        trim_words(bench)
        assert bench.trimmed_from is None


MARKS = ("@USER", "HTTPURL")
FLAGS = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)


def marked(source: Path, folder: Path, *, rows: int) -> Path:
    """A teacher whose tokenizer has two more tokens, and whose word table has that many more rows."""
    teacher = load_teacher(source)
    words = teacher.encoder.architecture.vocabulary
    encoder = with_words(teacher.encoder, np.concatenate([np.arange(words), np.arange(5, 5 + rows)]))
    config = {**teacher.config, "vocab_size": words + rows}
    save_teacher(encoder, teacher.family, config, teacher.label_names, tokenizer=source, folder=folder)
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["added_tokens"] += [{"id": words + i, "content": mark, **FLAGS} for i, mark in enumerate(MARKS)]
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    known = state["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(known, key=known.__getitem__)) + "\n", encoding="utf-8")
    return folder


@pytest.mark.usefixtures("no_room")
def test_tokens_that_a_user_added_stay(ask: Ask, rare: Path, tmp_path: Path) -> None:
    request = ask(5.0, max_size_bytes=10_000_000)
    teacher = marked(Path(request.teacher), tmp_path / "marked", rows=2)
    request = replace(request, teacher=str(teacher), data=str(rare))
    bench = Workbench(request, cache=tmp_path / "cache", observer=Watcher())
    trim_words(bench)
    assert bench.trimmed_from == teacher
    words = bench.canonical.architecture.vocabulary
    tokens = TextTokenizer(bench.teacher.folder).encode([("@USER was at HTTPURL",)], max_length=32)
    assert [token for token in tokens.ids.tolist() if token >= words - 2] == [words - 2, words - 1]
    lines = (bench.teacher.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == words - 2


@pytest.mark.usefixtures("no_room")
def test_tokens_that_the_teacher_has_no_vector_for_are_refused(ask: Ask, rare: Path, tmp_path: Path) -> None:
    request = ask(5.0, max_size_bytes=10_000_000)
    teacher = marked(Path(request.teacher), tmp_path / "marked", rows=0)
    request = replace(request, teacher=str(teacher), data=str(rare))
    with pytest.raises(InputError, match=r"expected tokens of the teacher's \d+ words, found '@USER' beyond them"):
        trim_words(Workbench(request, cache=tmp_path / "cache", observer=Watcher()))


@pytest.mark.usefixtures("no_room")
def test_another_tokenizer_has_a_teacher_of_its_own(ask: Ask, rare: Path, tmp_path: Path) -> None:
    """The trimmed teacher is kept by what it was made for."""
    request = replace(ask(5.0, max_size_bytes=10_000_000), data=str(rare))
    folders = []
    for name in ("one", "two"):
        copy = tmp_path / name
        copy.mkdir()
        for file in Path(request.teacher).iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
    state = json.loads((tmp_path / "two" / "tokenizer.json").read_text(encoding="utf-8"))
    state["normalizer"] = None
    (tmp_path / "two" / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    for name in ("one", "two"):
        bench = Workbench(replace(request, teacher=str(tmp_path / name)), cache=tmp_path / "cache", observer=Watcher())
        trim_words(bench)
        folders.append(bench.teacher.folder)
    assert folders[0] != folders[1]

"""The demo's task: made of docstrings without importing them, and nothing of its evaluation is in train."""

import re
from collections import Counter
from pathlib import Path

import pytest

from compressor.errors import UnavailableError
from compressor.tasks import read_task, stdlib_docs
from compressor.tasks.stdlib_docs import FAMILIES, LONGEST, SHORTEST, sentences, write_task


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of two modules and a package with a test inside."""
    root = tmp_path / "lib"
    (root / "email" / "test").mkdir(parents=True)
    (root / "re.py").write_text(
        '"""Match a pattern at the start of a text. Give None where it does not match at all!\n\n'
        '    >>> match("a", "b")\n\nToo short."""\n'
        'raise SystemExit("imported")\n'
        'def f():\n    """The same sentence stands in two families here."""\n'
    )
    (root / "heapq.py").write_text('"""The same  sentence stands in TWO families here."""')
    (root / "email" / "message.py").write_text('class A:\n    """Parse the headers of a message into fields."""\n')
    (root / "email" / "test" / "x.py").write_text('"""A sentence out of the tests of the package."""')
    (root / "csv.py").write_text("def broken(:")
    return root


def test_sentences_come_from_docstrings_that_are_parsed_only(library: Path) -> None:
    found = {(s.text, s.family) for s in sentences(library)}
    assert found == {
        ("Match a pattern at the start of a text.", "text"),
        ("Give None where it does not match at all!", "text"),
        ("Parse the headers of a message into fields.", "email"),
    }


def test_sentences_of_one_docstring_are_in_the_same_split(library: Path) -> None:
    assert len({s.evaluation for s in sentences(library) if s.family == "text"}) == 1


def test_the_task_of_this_python_is_large_enough_and_without_leaks(tmp_path: Path) -> None:
    rows = write_task(tmp_path / "data")
    assert rows["test"] >= 1500
    data = read_task(tmp_path / "data")
    train, test = data.splits["train"], data.splits["test"]
    assert (len(train), len(test)) == (rows["train"], rows["test"])
    assert 10 <= len(data.spec.label_names) <= 20
    assert set(data.spec.label_names) <= set(FAMILIES)

    def plain(text: str) -> str:
        return re.sub(r"\W+", " ", text).strip().lower()

    seen = Counter(plain(text) for split in (train, test) for (text,) in split.texts)
    assert max(seen.values()) == 1
    assert all(SHORTEST <= len(text.split()) <= LONGEST for (text,) in train.texts)


def test_it_is_the_same_every_time(library: Path) -> None:
    assert sentences(library) == sentences(library)


def test_a_python_without_its_source_is_named(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdlib_docs.sysconfig, "get_paths", lambda: {"stdlib": str(library)})
    with pytest.raises(UnavailableError, match="without the source of its standard library"):
        write_task(tmp_path / "data")

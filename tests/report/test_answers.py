"""What a page shows of answers, by kind of task: against counts made by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import write_tokenizer

from compressor.export import EvaluationData
from compressor.records.task import TaskSpec
from compressor.report.page import read_answers
from compressor.report.page.answers.base import EXAMPLES
from compressor.tasks import IGNORED, Targets, TextTokenizer, Tokens

TAGS = ("O", "B-film", "I-film")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Knows the words of the tiny task, one token each."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def encoded(tokenizer: Path, texts: Sequence[str]) -> Tokens:
    return TextTokenizer(tokenizer).encode([(text,) for text in texts], max_length=48)


def logits(classes: Sequence[int], count: int, *, margins: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Outputs that answer with these classes, the first of the others `margins` behind."""
    outputs = np.zeros((len(classes), count), dtype=np.float32)
    outputs[np.arange(len(classes)), list(classes)] = 1.0 if margins is None else list(margins)
    return outputs


def texts_of(count: int) -> list[str]:
    """Texts of different lengths, so that each can be told from the others."""
    return ["the plot was " + " ".join(["very"] * row + ["good"]) for row in range(count)]


def with_classes(
    tokenizer: Path, targets: Sequence[int], teacher: NDArray[np.float32], engine: NDArray[np.float32]
) -> EvaluationData:
    tokens = encoded(tokenizer, texts_of(len(targets)))
    return EvaluationData(tokens, Targets(np.array(targets, dtype=np.int64)), teacher, teacher, engine)


def spec(kind: str, labels: Sequence[str], metric: str) -> TaskSpec:
    return TaskSpec(kind, ("sentence",), "label", tuple(labels), metric, "test")  # type: ignore[arg-type]


def test_the_surest_examples_come_first(tokenizer: Path) -> None:
    teacher = logits([0, 0, 1, 1], 2, margins=[0.5, 3.0, 2.0, 1.0])
    engine = logits([1, 1, 1, 0], 2, margins=[9.0, 2.0, 2.0, 4.0])
    task = spec("text-classification", ("bad", "good"), "accuracy")
    found = read_answers(with_classes(tokenizer, [0, 1, 1, 1], teacher, engine), task, tokenizer / "tokenizer.json")
    assert found.summary == "On 3 of 4 rows engine and teacher differ."
    assert found.examples is not None
    assert found.examples.header == ("text", "label", "teacher", "engine")
    # The smaller margin of the two counts: 2.0, 1.0, 0.5.
    assert [row[0].count("very") for row in found.examples.rows] == [1, 3, 0]
    assert [row[1:] for row in found.examples.rows] == [
        ("good", "bad", "good"),
        ("good", "good", "bad"),
        ("bad", "bad", "good"),
    ]
    (table,) = found.tables
    assert table.rows == (("bad", "1", "100.0 %", "0.0 %"), ("good", "3", "66.7 %", "66.7 %"))


def test_where_nobody_gave_labels_no_label_is_shown(tokenizer: Path) -> None:
    teacher, engine = logits([0, 0, 1], 2), logits([0, 1, 1], 2)
    task = spec("text-classification", (), "agreement")
    found = read_answers(with_classes(tokenizer, [0, 0, 1], teacher, engine), task, tokenizer / "tokenizer.json")
    (table,) = found.tables
    assert table.header == ("class", "rows", "engine agrees")
    assert table.rows == (("0", "2", "50.0 %"), ("1", "1", "100.0 %"))
    assert found.examples is not None
    assert found.examples.header == ("text", "teacher", "engine")
    assert [row[1:] for row in found.examples.rows] == [("0", "1")]
    assert found.confusion is not None
    assert found.confusion.counts == ((1, 1), (0, 1))
    assert found.confusion.caption.startswith("Rows that the teacher takes for a class (left)")


def test_of_many_classes_the_most_frequent_confusions_are_listed(tokenizer: Path) -> None:
    names = [f"class {i}" for i in range(13)]
    targets = [*range(13), 4, 4, 7]
    engine = logits([*range(13), 5, 5, 8], 13)
    task = spec("text-classification", names, "accuracy")
    data = with_classes(tokenizer, targets, logits(targets, 13), engine)
    found = read_answers(data, task, tokenizer / "tokenizer.json")
    assert found.confusion is None
    classes, confusions = found.tables
    assert len(classes.rows) == 13
    assert "13 classes are too many for a matrix" in confusions.caption
    assert confusions.rows == (("class 4", "class 5", "2", "66.7 %"), ("class 7", "class 8", "1", "50.0 %"))
    right = with_classes(tokenizer, targets, logits(targets, 13), logits(targets, 13))
    alike = read_answers(right, task, tokenizer / "tokenizer.json")
    assert len(alike.tables) == 1
    assert alike.examples is None


def test_scores_show_how_large_errors_are_and_where(tokenizer: Path) -> None:
    scores = np.arange(20, dtype=np.float64)
    teacher = (scores + 0.5).astype(np.float32)[:, None]
    engine = teacher.copy()
    engine[:15, 0] += 0.1 * np.arange(15)
    data = EvaluationData(encoded(tokenizer, texts_of(20)), Targets(scores), teacher, teacher, engine)
    found = read_answers(data, spec("regression", ("score",), "pearson"), tokenizer / "tokenizer.json")
    (table,) = found.tables
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["teacher and label"] == ("0.5",) * 4
    assert rows["engine and teacher"][-1] == "1.4"
    assert float(rows["engine and label"][0]) == pytest.approx(0.5 + np.median(0.1 * np.array([*range(15), *[0] * 5])))
    assert "by at most 1.4" in found.summary
    assert found.examples is not None
    assert len(found.examples.rows) == EXAMPLES
    assert [row[0].count("very") for row in found.examples.rows] == list(range(14, 2, -1))
    assert found.examples.rows[0][1:] == ("14", "14.5", "15.9", "1.4")
    assert found.confusion is None
    same = EvaluationData(data.tokens, data.targets, teacher, teacher, teacher)
    assert read_answers(same, spec("regression", ("score",), "pearson"), tokenizer / "tokenizer.json").examples is None


def tagged(tokenizer: Path) -> EvaluationData:
    """Two rows: one whose film the engine cuts short, one in which it finds a film that is none."""
    tokens = encoded(tokenizer, ["this film plot was good", "the cast was bad"])
    # [CLS] this film plot was good [SEP] [CLS] the cast was bad [SEP]; `plot` is a later piece of the word before it.
    no = IGNORED
    targets = np.array([no, 0, 1, no, 2, 0, no, no, 0, 0, 0, 0, no], dtype=np.int64)
    teacher = np.where(targets == no, 0, targets)
    engine = teacher.copy()
    engine[[4, 9]] = 0, 1
    values = Targets(targets, tokens.offsets, TAGS)
    wide = [np.eye(3, dtype=np.float32)[tags] for tags in (teacher, teacher, engine)]
    return EvaluationData(tokens, values, *wide)


def test_entities_are_counted_by_type_and_words_shown_in_their_text(tokenizer: Path) -> None:
    data = tagged(tokenizer)
    found = read_answers(data, spec("token-classification", TAGS, "entity_f1"), tokenizer / "tokenizer.json")
    (table,) = found.tables
    assert table.header == ("type", "entities", "teacher F1", "engine F1")
    assert table.rows == (("film", "1", "100.0 %", "0.0 %"),)  # one is found too short, one where there is none
    assert found.summary == "On 2 of 8 words engine and teacher differ."
    assert found.examples is not None
    assert found.examples.header == ("text", "word", "label", "teacher", "engine")
    first, second = found.examples.rows
    assert "this film plot was good" in first[0]
    assert first[1:] == ("was", "I-film", "I-film", "O")
    assert "the cast was bad" in second[0]
    assert second[1:] == ("cast", "O", "O", "B-film")
    assert found.confusion is not None
    assert found.confusion.counts == ((5, 1, 0), (0, 1, 0), (1, 0, 0))


def test_a_word_has_all_its_pieces(tokenizer: Path) -> None:
    data = tagged(tokenizer)
    data.engine[2] = data.engine[2][[1, 0, 2]]  # `film`, which `plot` goes on with
    found = read_answers(data, spec("token-classification", TAGS, "entity_f1"), tokenizer / "tokenizer.json")
    assert found.examples is not None
    assert ("film plot", "B-film", "B-film", "O") in [row[1:] for row in found.examples.rows]


@pytest.mark.parametrize(("metric", "columns"), [("accuracy", 4), ("agreement", 3)])
def test_other_metrics_of_words_are_shown_by_tag(tokenizer: Path, metric: str, columns: int) -> None:
    found = read_answers(tagged(tokenizer), spec("token-classification", TAGS, metric), tokenizer / "tokenizer.json")
    (table,) = found.tables
    assert len(table.header) == columns
    assert [row[:2] for row in table.rows] == [("O", "6"), ("B-film", "1"), ("I-film", "1")]
    assert [row[-1] for row in table.rows] == ["83.3 %", "100.0 %", "0.0 %"]

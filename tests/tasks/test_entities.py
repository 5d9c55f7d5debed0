"""Entities of BIO tags, and the entity F1, counted by hand."""

import numpy as np
import pytest

from compressor.errors import BorderError
from compressor.tasks import IGNORED, METRICS, Targets
from compressor.tasks.entities import entity_counts, spans

TAGS = ("O", "B-loc", "I-loc", "B-per", "I-per")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-loc", [("loc", 0, 1)]),
        ("O B-loc I-loc I-loc O", [("loc", 1, 4)]),
        ("B-loc B-loc", [("loc", 0, 1), ("loc", 1, 2)]),
        ("B-loc I-per", [("loc", 0, 1), ("per", 1, 2)]),
        ("I-loc I-loc", [("loc", 0, 2)]),
        ("B-loc O I-loc", [("loc", 0, 1), ("loc", 2, 3)]),
        ("I-per B-per I-per O B-loc", [("per", 0, 1), ("per", 1, 3), ("loc", 4, 5)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 2)]),
    ],
)
def test_spans(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert [tuple(span) for span in spans(tags.split())] == expected


def _targets(*rows: str) -> Targets:
    """Each row with [CLS], a second piece after its first word, and [SEP]."""
    values: list[int] = []
    lengths = [0]
    for row in rows:
        first, *rest = [TAGS.index(tag) for tag in row.split()]
        values += [IGNORED, first, IGNORED, *rest, IGNORED]
        lengths.append(len(rest) + 4)
    return Targets(np.array(values), np.cumsum(lengths), TAGS)


def _answers(targets: Targets, *rows: str) -> np.ndarray:
    """Logits of these tags at the words, and of B-per at every token that does not count."""
    predicted = np.full(len(targets.values), TAGS.index("B-per"))
    predicted[targets.counted] = [TAGS.index(tag) for row in rows for tag in row.split()]
    return np.eye(len(TAGS))[predicted]


TRUE = ("B-loc I-loc O B-per", "O O", "B-per O B-loc")


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (TRUE, [(2, 2, 2), (0, 0, 0), (2, 2, 2)]),
        (("B-loc I-loc I-loc B-per", "O O", "O O O"), [(1, 2, 2), (0, 0, 0), (0, 0, 2)]),
        (("B-per I-per O B-per", "B-loc O", "B-per O B-loc"), [(1, 2, 2), (0, 1, 0), (2, 2, 2)]),
        (("B-loc B-loc O I-per", "O O", "I-per O I-loc"), [(1, 3, 2), (0, 0, 0), (2, 2, 2)]),
    ],
    ids=["all right", "a wrong end, and nothing found", "a wrong type, and one too many", "one cut in two, I for B"],
)
def test_counts_and_f1(found: tuple[str, ...], counts: list[tuple[int, int, int]]) -> None:
    targets = _targets(*TRUE)
    outputs = _answers(targets, *found)
    assert entity_counts(outputs, targets).tolist() == [list(row) for row in counts]
    right, predicted, actual = (sum(column) for column in zip(*counts, strict=True))
    precision, recall = right / predicted, right / actual
    assert METRICS["entity_f1"](outputs, targets) == pytest.approx(2 * precision * recall / (precision + recall))


def test_nothing_to_find_and_nothing_found_is_zero() -> None:
    targets = _targets("O O", "O")
    assert METRICS["entity_f1"](_answers(targets, "O O", "O"), targets) == 0.0


def test_targets_without_tags_are_refused() -> None:
    with pytest.raises(BorderError, match=r"expected targets per token with 5 tags, found \(\)"):
        entity_counts(np.zeros((2, 5)), Targets(np.zeros(2, dtype=np.int64), np.array([0, 2])))
    with pytest.raises(BorderError, match=r"expected targets per token with 5 tags"):
        entity_counts(np.zeros((2, 5)), Targets(np.zeros(2, dtype=np.int64)))

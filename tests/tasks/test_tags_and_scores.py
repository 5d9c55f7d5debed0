"""Cells of tags and of scores to the values that a model learns."""

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks.scores import parse_scores
from compressor.tasks.tags import find_tags, tag_ids

TAGS = ("O", "B-loc", "I-loc")


def test_tags_that_are_found_have_both_prefixes() -> None:
    assert find_tags(["O B-per", "", "I-loc O"], ["1", "2", "3"]) == ("O", "B-loc", "I-loc", "B-per", "I-per")


def test_ids_of_tags_and_where_rows_begin() -> None:
    ids, offsets = tag_ids(["in New York", "", "here"], ["O B-loc I-loc", "", "0"], TAGS, ["1", "2", "3"])
    assert (ids.tolist(), offsets.tolist()) == ([0, 1, 2, 0], [0, 3, 3, 4])
    assert (ids.dtype, offsets.dtype) == (np.int64, np.int64)


@pytest.mark.parametrize("tag", ["NOUN", "B-", "b-loc", "S-loc", "3"])
def test_a_tag_that_is_not_bio_is_refused(tag: str) -> None:
    with pytest.raises(InputError, match=rf"line 7: expected BIO tags \(O, B-type, I-type\), found '{tag}'; rename"):
        find_tags(["O O", f"O {tag}"], ["line 6", "line 7"])


@pytest.mark.parametrize(
    ("text", "tags", "message"),
    [
        ("in New York", "O B-loc", r"line 2: expected one tag per word, found 3 words and 2 tags"),
        ("", "O", r"found 0 words and 1 tags"),
        ("in York", "O B-per", r"line 2, word 2: label 'B-per' is unknown; known are O, B-loc, I-loc"),
        ("in York", "O 3", r"line 2, word 2: label '3' is unknown; .* or the class ids 0 to 2"),
    ],
)
def test_tags_that_do_not_fit_are_refused(text: str, tags: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tag_ids(["here", text], ["O", tags], TAGS, ["line 1", "line 2"])


def test_scores() -> None:
    found = parse_scores(["3.800", " 2", "-1e-3", ".5", "+4."], list("abcde"))
    assert found.tolist() == [3.8, 2.0, -0.001, 0.5, 4.0]
    assert found.dtype == np.float64


@pytest.mark.parametrize("cell", ["good", "nan", "inf", "1,5", "1e999"])
def test_a_score_that_is_no_finite_number_is_refused(cell: str) -> None:
    with pytest.raises(
        InputError, match=rf"line 9: expected a finite number, as the task is regression, found '{cell}'"
    ):
        parse_scores(["1", cell], ["line 8", "line 9"])


def test_a_row_without_a_score_is_refused() -> None:
    with pytest.raises(InputError, match=r"line 9: expected a label, found an empty field; .* unlabelled.txt"):
        parse_scores(["1", " "], ["line 8", "line 9"])

"""Texts to tokens, by hand-computed ids."""

import json
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks import TextTokenizer, Tokens, tokenizer


def _rows(tokens: Tokens) -> list[list[int]]:
    return [tokens.row(index)[0].tolist() for index in range(len(tokens))]


def test_ids_and_types(tokenizer_folder: Path) -> None:
    tokens = TextTokenizer(tokenizer_folder).encode([("a b zz c d",), ("a", "b c"), ("",)], max_length=512)
    assert _rows(tokens) == [[2, 4, 5, 1, 6, 7, 3], [2, 4, 3, 5, 6, 3], [2, 3]]
    assert tokens.row(1)[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert tokens.truncated == 0
    assert tokens.full_lengths is not None
    assert tokens.full_lengths.tolist() == tokens.lengths.tolist() == [7, 6, 2]


def test_truncation_is_counted(tokenizer_folder: Path) -> None:
    texts = [("a b c d e f",), ("a b",), ("a b c d", "e"), ("a", "b")]
    tokens = TextTokenizer(tokenizer_folder).encode(texts, max_length=6)
    assert _rows(tokens) == [[2, 4, 5, 6, 7, 3], [2, 4, 5, 3], [2, 4, 5, 3, 8, 3], [2, 4, 3, 5, 3]]
    assert tokens.truncated == 2
    assert tokens.full_lengths is not None
    assert tokens.full_lengths.tolist() == [8, 4, 8, 5]
    assert tokens.select([1, 2]).truncated == 1


def test_truncation_does_not_stay(tokenizer_folder: Path) -> None:
    subject = TextTokenizer(tokenizer_folder)
    subject.encode([("a b c d e f",)], max_length=4)
    assert subject.encode([("a b c d e f",)], max_length=512).lengths.tolist() == [8]


@pytest.mark.parametrize(
    "text", [("good film",), ("good film", "bad"), ("good " * 40,), ("",), ("good " * 9, "bad " * 30)]
)
def test_one_row_is_the_row_of_many(tokenizer_folder: Path, text: tuple[str, ...]) -> None:
    tokenizer = TextTokenizer(tokenizer_folder)
    wanted = tokenizer.encode([text], max_length=12).padded([0], 0)
    found = tokenizer.feeds(text, max_length=12)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert value.dtype == np.int64
        np.testing.assert_array_equal(value, wanted[name])


def test_one_row_of_three_texts_is_refused(tokenizer_folder: Path) -> None:
    with pytest.raises(InputError, match="expected one text or a pair, found 3"):
        TextTokenizer(tokenizer_folder).feeds(("a", "b", "c"), max_length=12)


def test_truncates_on_the_saved_side(tokenizer_folder: Path) -> None:
    path = tokenizer_folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["truncation"]["direction"] = "Left"
    path.write_text(json.dumps(content))
    assert _rows(TextTokenizer(tokenizer_folder).encode([("a b c d",)], max_length=4)) == [[2, 6, 7, 3]]


def test_parts_are_one(tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [(" ".join(rng.choice(list("abcdef"), rng.integers(0, 9))),) for _ in range(50)]
    whole = TextTokenizer(tokenizer_folder).encode(texts, max_length=6)
    monkeypatch.setattr(tokenizer, "_ROWS_AT_ONCE", 7)
    parts = TextTokenizer(tokenizer_folder).encode(texts, max_length=6)
    assert _rows(parts) == _rows(whole)
    assert parts.truncated == whole.truncated > 0


def test_no_texts(tokenizer_folder: Path) -> None:
    assert len(TextTokenizer(tokenizer_folder).encode([], max_length=8)) == 0


@pytest.mark.parametrize(
    ("texts", "max_length", "message"),
    [
        ([("a",), ("a", "b", "c")], 8, "row 1: expected one text or a pair, found 3 texts"),
        ([()], 8, "row 0: expected one text or a pair, found 0 texts"),
        ([("a",)], 2, "expected more than the 2 special tokens, found 2; raise it"),
        ([("a", "b")], 3, "expected more than the 3 special tokens, found 3"),
    ],
)
def test_refuses(tokenizer_folder: Path, texts: list[tuple[str, ...]], max_length: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextTokenizer(tokenizer_folder).encode(texts, max_length=max_length)


def test_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"found none; .*AutoTokenizer.from_pretrained\('.*'\).save_pretrained\('.*'\)"
    ):
        TextTokenizer(tmp_path)


@pytest.mark.parametrize("content", [b"{}", b"no json", b"\xff\xfe"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer.json is not a tokenizer .*save it again"):
        TextTokenizer(tmp_path)


def test_what_is_no_text_and_what_hides_some(tokenizer_folder: Path) -> None:
    subject = TextTokenizer(tokenizer_folder)
    assert {2, 3} <= subject.special_ids  # begin and end, as every row has them
    assert not subject.special_ids & {4, 5, 6, 7, 8}
    assert subject.mask_id is None
    path = tokenizer_folder / "tokenizer.json"
    content = json.loads(path.read_text())
    mark = {"id": 9, "content": "<mask>", "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content["added_tokens"].append({**mark, **flags})
    path.write_text(json.dumps(content))
    subject = TextTokenizer(tokenizer_folder)
    assert subject.mask_id in subject.special_ids

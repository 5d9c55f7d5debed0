"""Rows to tokens and targets: which token stands for which word, by hand and against transformers."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from compressor.errors import InputError
from compressor.records.task import TaskSpec
from compressor.tasks import IGNORED, Split, TextTokenizer, encode_split, tokenizer
from compressor.tasks.ragged import offsets_of
from compressor.tasks.targets import UNKNOWN

TAGS = ("O", "B-loc", "I-loc")
SPEC = TaskSpec("token-classification", ("tokens",), "tags", TAGS, "entity_f1", "test")
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "in", "ber", "##lin", "##er", "new", "york", "."]


@pytest.fixture
def pieces_folder(tmp_path: Path) -> Path:
    """A WordPiece tokenizer that cuts "berlin" in two."""
    subject = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    subject.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    subject.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    subject.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def _split(*rows: str, labels: list[int] | None = None) -> Split:
    lengths = [len(row.split(" ")) if row else 0 for row in rows]
    offsets = None if labels is None else offsets_of(lengths)
    return Split("train", tuple((row,) for row in rows), None if labels is None else np.array(labels), offsets)


def test_the_first_piece_of_a_word_has_its_tag(pieces_folder: Path) -> None:
    split = _split("in berlin.", "", "new york in berliner", labels=[0, 1, 1, 2, 0, 2])
    tokens, targets = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=512)
    #                     [CLS] in ber ##lin . [SEP] [CLS] [SEP] [CLS] new york in ber ##lin ##er [SEP]
    assert tokens.ids.tolist() == [2, 4, 5, 6, 10, 3, 2, 3, 2, 8, 9, 4, 5, 6, 7, 3]
    no = IGNORED
    assert targets.values.tolist() == [no, 0, 1, no, no, no, no, no, no, 1, 2, 0, 2, no, no, no]
    assert targets.offsets is tokens.offsets
    assert targets.tags == TAGS


def test_words_that_are_cut_off_do_not_count(pieces_folder: Path) -> None:
    split = _split("in berlin new york", labels=[0, 1, 1, 2])
    tokens, targets = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=4)
    assert tokens.ids.tolist() == [2, 4, 5, 3]
    assert targets.values.tolist() == [IGNORED, 0, 1, IGNORED]
    assert tokens.truncated == 1
    again, _ = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=512)
    assert again.lengths.tolist() == [7]


def test_words_that_the_tokenizer_removes_do_not_count(pieces_folder: Path) -> None:
    split = _split("in \t york", labels=[1, 2, 0])
    tokens, targets = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=512)
    assert tokens.ids.tolist() == [2, 4, 9, 3]
    assert targets.values.tolist() == [IGNORED, 1, 0, IGNORED]


def test_parts_are_one(pieces_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [" ".join(rng.choice(["in", "berlin", "york"], rng.integers(1, 6))) for _ in range(40)]
    split = _split(*rows, labels=rng.integers(0, 3, sum(len(row.split()) for row in rows)).tolist())
    whole = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=5)
    monkeypatch.setattr(tokenizer, "_ROWS_AT_ONCE", 7)
    parts = encode_split(TextTokenizer(pieces_folder), split, SPEC, max_length=5)
    np.testing.assert_array_equal(parts[0].ids, whole[0].ids)
    np.testing.assert_array_equal(parts[1].values, whole[1].values)
    assert parts[0].truncated == whole[0].truncated > 0


def test_texts_without_labels_have_unknown_targets(pieces_folder: Path) -> None:
    subject = TextTokenizer(pieces_folder)
    _, targets = encode_split(subject, _split("in berlin", "york"), SPEC, max_length=512)
    no = IGNORED
    assert targets.values.tolist() == [no, UNKNOWN, UNKNOWN, no, no, no, UNKNOWN, no]
    classes = TaskSpec("text-classification", ("text",), "label", ("no", "yes"), "agreement", "test")
    tokens, targets = encode_split(subject, _split("in berlin", "york"), classes, max_length=512)
    assert targets.values.tolist() == [UNKNOWN, UNKNOWN]
    assert tokens.lengths.tolist() == [5, 3]


def test_scores_are_taken_as_they_are(pieces_folder: Path) -> None:
    spec = TaskSpec("regression", ("text",), "label", ("score",), "pearson", "test")
    split = Split("train", (("in",), ("york",)), np.array([0.5, 2.0]))
    assert encode_split(TextTokenizer(pieces_folder), split, spec, max_length=8)[1].values.tolist() == [0.5, 2.0]


def test_too_little_room_for_a_word(pieces_folder: Path) -> None:
    with pytest.raises(InputError, match="expected more than the 2 special tokens, found 2"):
        TextTokenizer(pieces_folder).encode_words([["in"]], max_length=2)


def _byte_level(*, add_prefix_space: bool, nested: bool) -> Tokenizer:
    vocabulary = {"<pad>": 0, "Ġ": 1, "a": 2, "b": 3, "Ġa": 4, "Ġb": 5, "Ġab": 6}
    subject = Tokenizer(models.BPE(vocab=vocabulary, merges=[("Ġ", "a"), ("Ġ", "b"), ("Ġa", "b")]))
    level = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    subject.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(), level]) if nested else level
    return subject


@pytest.mark.parametrize("nested", [False, True])
def test_words_of_a_byte_level_tokenizer_have_a_space_before_them(tmp_path: Path, nested: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    _byte_level(add_prefix_space=False, nested=nested).save(str(tmp_path / "tokenizer.json"))
    words = ["ab", "a", "ba"]
    tokens, pieces = TextTokenizer(tmp_path).encode_words([words], max_length=16)
    assert tokens.ids.tolist() == [6, 4, 5, 2]
    assert pieces.tolist() == [0, 1, 2, -1]
    # transformers asks for a tokenizer that was made in this way, before it takes words.
    spaced = _byte_level(add_prefix_space=True, nested=nested)
    theirs = PreTrainedTokenizerFast(tokenizer_object=spaced, add_prefix_space=True)
    assert theirs(words, is_split_into_words=True)["input_ids"] == tokens.ids.tolist()
    # Texts are still read as they were.
    assert TextTokenizer(tmp_path).encode([("ab",)], max_length=16).ids.tolist() == [2, 3]

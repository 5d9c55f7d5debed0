"""Trimmed tokenizers: the text keeps its tokens, everything else can still be spelled."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from compressor.errors import InputError
from compressor.tasks.trimming import trim

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TEXTS = [
    "the unhappiness of the unhappiest reader was unreasonable",
    "a reasonable reader reads reasonably and happily",
    "happier readings make readers happiest",
    "unread books are unhappy books; reread them",
] * 5
USED = TEXTS[:1]
OTHER = ["reasonably happy bookish readership", "them unhappily", "zebra"]


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=150, special_tokens=SPECIAL))
    return tokenizer


def byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="[UNK]")
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=SPECIAL))
    return tokenizer


MAKERS: list[Callable[[], Tokenizer]] = [word_piece, byte_pairs, unigram, word_level]


def with_marks(tokenizer: Tokenizer) -> Tokenizer:
    ids = {name: tokenizer.token_to_id(name) for name in SPECIAL}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.enable_padding(pad_id=ids["[PAD]"], pad_token="[PAD]")
    return tokenizer


@pytest.mark.parametrize("make", MAKERS)
def test_the_text_keeps_its_tokens_and_what_is_not_used_goes(make: Callable[[], Tokenizer]) -> None:
    whole = with_marks(make())
    used = {index for text in USED for index in whole.encode(text).ids}
    trimmed = trim(json.loads(whole.to_str()), used)
    small = Tokenizer.from_str(json.dumps(trimmed.state))
    assert small.get_vocab_size() == len(trimmed.kept) < whole.get_vocab_size()
    assert used <= set(trimmed.kept.tolist())
    for text in USED:
        before, after = whole.encode(text), small.encode(text)
        assert after.tokens == before.tokens
        assert trimmed.kept[after.ids].tolist() == before.ids
    pair = small.encode(USED[0], "the reader")
    assert (pair.tokens[0], pair.tokens[-1], pair.type_ids[-1]) == ("[CLS]", "[SEP]", 1)
    assert [small.token_to_id(name) for name in SPECIAL] == [
        small.encode(name, add_special_tokens=False).ids[0] for name in SPECIAL
    ]


@pytest.mark.parametrize("make", [word_piece, byte_pairs, unigram])
def test_other_words_are_spelled_with_shorter_pieces(make: Callable[[], Tokenizer]) -> None:
    whole = make()
    used = {index for text in USED for index in whole.encode(text).ids}
    small = Tokenizer.from_str(json.dumps(trim(json.loads(whole.to_str()), used).state))
    for text in OTHER[:2]:
        before, after = whole.encode(text), small.encode(text)
        assert "[UNK]" not in before.tokens
        assert "[UNK]" not in after.tokens
        assert len(after.tokens) >= len(before.tokens)


def test_byte_pairs_keep_what_their_tokens_are_made_of() -> None:
    whole = byte_pairs()
    longest = max(whole.get_vocab(), key=len)
    trimmed = trim(json.loads(whole.to_str()), {whole.token_to_id(longest)})
    small = Tokenizer.from_str(json.dumps(trimmed.state))
    text = longest.replace("Ġ", " ")
    assert small.encode(text).tokens == whole.encode(text).tokens
    assert len(trimmed.state["model"]["merges"]) < len(json.loads(whole.to_str())["model"]["merges"])


def test_the_state_that_is_given_is_not_changed() -> None:
    state = json.loads(with_marks(word_piece()).to_str())
    copy = json.loads(json.dumps(state))
    trim(state, {5, 6})
    assert state == copy


def test_new_ids_rise_with_the_old_ones() -> None:
    kept = trim(json.loads(word_piece().to_str()), {40, 7}).kept
    assert (np.diff(kept) > 0).all()
    assert {7, 40} <= set(kept.tolist())


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="expected a tokenizer of WordPiece, BPE, Unigram, WordLevel, found 'Other'"):
        trim({"model": {"type": "Other"}, "added_tokens": []}, {1})

"""Changed copies of rows: what may change, how much of it does, and that nothing else does."""

import numpy as np
import pytest

from compressor.distill.augmentation import (
    CROPPED,
    MASKED,
    NEIGHBOURS,
    REPLACED,
    STRANGE,
    Vocabulary,
    augmented,
    joined_texts,
    nearest,
)
from compressor.tasks import Tokens

CLS, SEP, MASK, UNUSED = 0, 1, 2, 3
WORDS = 60
RANDOM = np.random.default_rng(0)
VOCABULARY = Vocabulary(
    RANDOM.standard_normal((WORDS, 8)).astype(np.float32), special=(CLS, SEP, UNUSED), mask_id=MASK
)


def pairs(rows: int = 400) -> Tokens:
    """Rows [CLS] a.. [SEP] b.. [SEP] with texts of 2 to 20 tokens."""
    ids, types, lengths = [], [], []
    for _ in range(rows):
        first, second = (RANDOM.integers(4, WORDS, size=RANDOM.integers(2, 21)) for _ in range(2))
        ids += [CLS, *first, SEP, *second, SEP]
        types += [0] * (len(first) + 2) + [1] * (len(second) + 1)
        lengths.append(len(first) + len(second) + 3)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Tokens(np.array(ids, np.int32), np.array(types, np.uint8), offsets)


TOKENS = pairs()


def texts(tokens: Tokens, row: int) -> list[np.ndarray]:
    """The two texts of a row."""
    ids, types = tokens.row(row)
    assert (ids[0], ids[-1]) == (CLS, SEP)
    middle = int(np.flatnonzero(ids == SEP)[0])
    assert types.tolist() == [0] * (middle + 1) + [1] * (len(ids) - middle - 1)
    return [ids[1:middle], ids[middle + 1 : -1]]


def test_the_same_seed_gives_the_same_copies_and_another_one_others() -> None:
    first, again, other = (augmented(TOKENS, VOCABULARY, rows=900, seed=seed) for seed in (5, 5, 6))
    assert len(first) == len(other) == 900
    np.testing.assert_array_equal(first.ids, again.ids)
    np.testing.assert_array_equal(first.offsets, again.offsets)
    assert not np.array_equal(first.ids[:200], other.ids[:200])


def test_the_shape_of_a_pair_is_kept_and_neither_text_is_lost() -> None:
    copies = augmented(TOKENS, VOCABULARY, rows=900, seed=1)
    for row in range(len(copies)):
        parts = texts(copies, row)
        assert min(len(part) for part in parts) >= 1
        assert not set(np.concatenate(parts).tolist()) & {CLS, SEP, UNUSED}


def test_as_many_tokens_and_rows_change_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.distill.augmentation.CROPPED", 0.0)
    copies = augmented(TOKENS, VOCABULARY, rows=4 * len(TOKENS), seed=2)
    order = np.resize(np.random.default_rng(2).permutation(len(TOKENS)), 4 * len(TOKENS))
    source = TOKENS.select(order)
    np.testing.assert_array_equal(copies.offsets, source.offsets)
    text = ~np.isin(source.ids, (CLS, SEP))
    np.testing.assert_array_equal(copies.ids[~text], source.ids[~text])
    masked, changed = copies.ids == MASK, copies.ids != source.ids
    np.testing.assert_allclose([masked[text].mean(), (changed & ~masked)[text].mean()], [MASKED, REPLACED], atol=0.01)
    near = nearest(VOCABULARY, np.arange(WORDS))
    changed &= text & ~masked
    assert all(new in near[old] for new, old in zip(copies.ids[changed], source.ids[changed], strict=True))


def test_a_crop_is_a_run_of_one_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.distill.augmentation.MASKED", 0.0)
    monkeypatch.setattr("compressor.distill.augmentation.REPLACED", 0.0)
    copies = augmented(TOKENS, VOCABULARY, rows=3 * len(TOKENS), seed=3)
    order = np.resize(np.random.default_rng(3).permutation(len(TOKENS)), 3 * len(TOKENS))
    cropped = 0
    for row, origin in enumerate(order):
        before, after = texts(TOKENS, int(origin)), texts(copies, row)
        shorter = [len(a) < len(b) for a, b in zip(after, before, strict=True)]
        assert sum(shorter) <= 1
        for a, b in zip(after, before, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(b, len(a))
            assert (windows == a).all(1).any()
        cropped += any(shorter)
    assert cropped / len(order) == pytest.approx(CROPPED, abs=0.04)  # a run may by chance be the whole text


def test_the_nearest_are_those_of_the_largest_cosine_without_itself_and_special_ones() -> None:
    unit = VOCABULARY.embedding / np.linalg.norm(VOCABULARY.embedding, axis=1, keepdims=True)
    found = nearest(VOCABULARY, np.array([7, 30]))
    assert found.shape == (2, NEIGHBOURS)
    for row, token in zip(found, (7, 30), strict=True):
        order = [int(i) for i in np.argsort(-(unit @ unit[token])) if i not in (token, CLS, SEP, MASK, UNUSED)]
        assert row.tolist() == order[:NEIGHBOURS]


def single(rows: int = 300) -> Tokens:
    """Rows [CLS] a.. [SEP] of 1 to 12 tokens, some of which begin or end with a special one."""
    lengths = RANDOM.integers(1, 13, size=rows)
    texts = [RANDOM.integers(4, WORDS, size=length).astype(np.int32) for length in lengths]
    texts[5][0], texts[6][-1] = UNUSED, UNUSED
    ids = np.concatenate([np.concatenate([[CLS], text, [SEP]]) for text in texts]).astype(np.int32)
    return Tokens(ids, np.zeros(len(ids), np.uint8), np.concatenate([[0], np.cumsum(lengths + 2)]))


def test_joined_texts_are_two_texts_of_the_rows_and_no_longer_than_the_longest() -> None:
    tokens = single()
    known = {tuple(tokens.row(i)[0][1:-1].tolist()) for i in range(len(tokens))}
    made = joined_texts(tokens, VOCABULARY, rows=500, seed=4, strange=0.0)
    assert len(made) == 500
    assert made.lengths.max() == tokens.lengths.max()
    assert made.lengths.mean() > 1.4 * tokens.lengths.mean()
    for row in range(len(made)):
        ids = made.row(row)[0].tolist()
        assert (ids[0], ids[-1]) == (CLS, SEP)
        text = ids[1:-1]
        begins = [i for i in range(1, len(text) + 1) if tuple(text[:i]) in known]
        cut = len(ids) == tokens.lengths.max()
        assert any(tuple(text[i:]) in known or (cut and _begins_one(text[i:], known)) for i in begins)


def _begins_one(text: list[int], known: set[tuple[int, ...]]) -> bool:
    return any(whole[: len(text)] == tuple(text) for whole in known)


def test_some_tokens_of_joined_texts_are_any_of_the_vocabulary() -> None:
    tokens = single()
    few = np.isin(tokens.ids, (CLS, SEP, UNUSED))
    narrow = Tokens(np.where(few, tokens.ids, 4 + tokens.ids % 5).astype(np.int32), tokens.type_ids, tokens.offsets)
    made = joined_texts(narrow, VOCABULARY, rows=2000, seed=4)
    again, other = (joined_texts(narrow, VOCABULARY, rows=2000, seed=seed) for seed in (4, 5))
    np.testing.assert_array_equal(made.ids, again.ids)
    assert not np.array_equal(made.ids[:200], other.ids[:200])
    text = made.ids[~np.isin(made.ids, (CLS, SEP, UNUSED))]
    chance = 5 / (WORDS - 3)  # a strange token is one of the five by chance, the mask is one, too
    assert (text > 8).mean() + (text == MASK).mean() == pytest.approx(STRANGE * (1 - chance), abs=0.02)


def test_joined_texts_keep_the_marks_of_other_teachers() -> None:
    rows = [[CLS, CLS, 7, 8, SEP], [CLS, CLS, 9, SEP]]
    lengths = np.array([len(row) for row in rows])
    tokens = Tokens(np.concatenate(rows).astype(np.int32), np.zeros(9, np.uint8), np.array([0, *np.cumsum(lengths)]))
    made = joined_texts(tokens, VOCABULARY, rows=20, seed=0)
    assert made.lengths.max() == 5
    for row in range(20):
        ids = made.row(row)[0].tolist()
        assert ids[:2] == [CLS, CLS]
        assert ids[-1] == SEP
        assert CLS not in ids[2:]


def test_rows_without_any_text_are_joined_to_rows_without_text() -> None:
    tokens = Tokens(np.array([CLS, SEP] * 3, np.int32), np.zeros(6, np.uint8), np.array([0, 2, 4, 6]))
    made = joined_texts(tokens, VOCABULARY, rows=5, seed=0)
    assert made.lengths.tolist() == [2] * 5
    assert set(made.ids.tolist()) <= {CLS, SEP}


def test_without_a_mask_and_with_a_few_words_it_still_works() -> None:
    few = Vocabulary(VOCABULARY.embedding[:9], special=(CLS, SEP), mask_id=None)
    tokens = Tokens(np.array([CLS, 4, 5, SEP, CLS, SEP], np.int32), np.zeros(6, np.uint8), np.array([0, 4, 6]))
    copies = augmented(tokens, few, rows=50, seed=0)
    assert copies.ids.max() < 9
    assert sorted(set(copies.lengths.tolist()))[0] == 2  # a row without text stays as it is

"""More text for small data sets: changed copies of the training rows. The teacher labels them, whatever they say.

| change | of |
| --- | --- |
| a token becomes one of its nearest in the teacher's word embedding | REPLACED of the tokens |
| a token becomes the mask | MASKED of the tokens |
| a text becomes a run of its tokens | CROPPED of the rows |

The first as in Jiao et al. 2020 (arXiv 1909.10351), algorithm 1, with that embedding in the place of GloVe's; the
others as in Tang et al. 2019 (arXiv 1903.12136), section 3.2.
Special tokens and the parts of a pair stay where they are; of a pair one text is cropped.

Where a student will be asked about longer texts than those that it is trained on, two of them become one, and some of
their tokens any of the vocabulary: a student that has only seen phrases agrees with its teacher on phrases
(benchmarks/log.md).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.tasks import Tokens
from compressor.tasks.ragged import offsets_of

REPLACED, MASKED, CROPPED = 0.15, 0.1, 0.25
NEIGHBOURS = 15
SHORTEST_CROP = 0.3  # share of the tokens that a cropped text keeps at least
STRANGE = 0.25  # share of the tokens of joined texts that become any others
CHUNK = 1024

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What is known of token ids.

    Attributes:
        embedding: Of the teacher's words, float32 [vocabulary, width].
        special: Ids that are no text: they are never changed, and never put in.
        mask_id: Id of the mask; None where there is none.
    """

    embedding: NDArray[np.float32]
    special: Collection[int]
    mask_id: int | None


def augmented(tokens: Tokens, vocabulary: Vocabulary, *, rows: int, seed: int) -> Tokens:
    """Changed copies of rows.

    Args:
        tokens: What is copied.
        vocabulary: Where replacements come from.
        rows: Copies that are made; each row gives as many as any other, give or take one.
        seed: The same gives the same copies.
    """
    random = np.random.default_rng(seed)
    copies = tokens.select(np.resize(random.permutation(len(tokens)), rows))
    text = ~np.isin(copies.ids, list(vocabulary.special))
    ids = _replaced(copies.ids, text, vocabulary, random)
    kept = _cropped(copies, text, random)
    row_of = np.repeat(np.arange(len(copies)), copies.lengths)
    lengths = np.bincount(row_of[kept], minlength=len(copies))
    return Tokens(ids[kept], copies.type_ids[kept], np.concatenate([[0], np.cumsum(lengths)]))


def joined_texts(tokens: Tokens, vocabulary: Vocabulary, *, rows: int, seed: int, strange: float = STRANGE) -> Tokens:
    """Rows of two texts each, as one, no longer than the longest there is.

    Args:
        tokens: Rows of one text each, with the same special tokens around it.
        vocabulary: Where strange tokens come from.
        rows: Rows that are made.
        seed: The same gives the same rows.
        strange: Share of the tokens that become any others.
    """
    random = np.random.default_rng(seed)
    before, behind = _marks(tokens, vocabulary)
    longest = int(tokens.lengths.max()) - before - behind
    made = []
    for first, second in random.integers(len(tokens), size=(rows, 2)):
        ids = tokens.row(first)[0]
        end = len(ids) - behind
        text = np.concatenate([ids[before:end], tokens.row(second)[0][before : -behind or None]])[:longest]
        made.append(np.concatenate([ids[:before], text, ids[end:]]))
    ids = np.concatenate(made)
    changed = ~np.isin(ids, list(vocabulary.special)) & (random.random(len(ids)) < strange)
    words = np.setdiff1d(np.arange(len(vocabulary.embedding)), list(vocabulary.special))
    ids[changed] = random.choice(words, size=int(changed.sum()))
    return Tokens(ids, np.zeros(len(ids), np.uint8), offsets_of([len(row) for row in made]))


def _marks(tokens: Tokens, vocabulary: Vocabulary) -> tuple[int, int]:
    """Special tokens before and behind the text of every row; a text may begin or end with one, too."""
    special = np.isin(tokens.ids, list(vocabulary.special))
    rows = [special[begin:end] for begin, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]
    rows = [row for row in rows if not row.all()]
    before, behind = ([int(row[::step].argmin()) for row in rows] for step in (1, -1))
    return min(before, default=0), min(behind, default=0)  # 0 where no row has a text


def _replaced(
    ids: NDArray[np.int32], text: NDArray[np.bool_], vocabulary: Vocabulary, random: np.random.Generator
) -> NDArray[np.int32]:
    draw = np.where(text, random.random(len(ids)), 1.0)
    new = ids.copy()
    if vocabulary.mask_id is not None:
        new[draw < MASKED] = vocabulary.mask_id
    swapped = (draw >= MASKED) & (draw < MASKED + REPLACED)
    known, inverse = np.unique(ids[swapped], return_inverse=True)
    if len(known):
        near = nearest(vocabulary, known.astype(np.int64))
        new[swapped] = near[inverse, random.integers(near.shape[1], size=len(inverse))]
    return new


def nearest(vocabulary: Vocabulary, ids: Ints) -> Ints:
    """The tokens whose embeddings have the largest cosine with those of `ids` [n]: int64 [n, NEIGHBOURS]."""
    table = torch.nn.functional.normalize(torch.from_numpy(vocabulary.embedding), dim=1)
    excluded = torch.tensor(sorted({*vocabulary.special, *_mask_of(vocabulary)}), dtype=torch.long)
    found = []
    for chunk in torch.split(torch.from_numpy(ids), CHUNK):
        cosine = table[chunk] @ table.T
        cosine[:, excluded] = -torch.inf
        cosine[torch.arange(len(chunk)), chunk] = -torch.inf  # itself
        found.append(cosine.topk(min(NEIGHBOURS, cosine.shape[1] - len(excluded) - 1), dim=1).indices)
    return torch.cat(found).numpy()


def _mask_of(vocabulary: Vocabulary) -> tuple[int, ...]:
    return () if vocabulary.mask_id is None else (vocabulary.mask_id,)


def _cropped(copies: Tokens, text: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """Tokens that stay, bool [tokens]."""
    kept = np.ones(len(copies.ids), dtype=bool)
    for row in np.flatnonzero(random.random(len(copies)) < CROPPED):
        begin, end = copies.offsets[row], copies.offsets[row + 1]
        runs = _runs(text[begin:end])
        if not runs:
            continue
        first, last = runs[random.integers(len(runs))]
        length = max(1, round((last - first) * random.uniform(SHORTEST_CROP, 1.0)))
        start = first + random.integers(last - first - length + 1)
        kept[begin + first : begin + start] = False
        kept[begin + start + length : begin + last] = False
    return kept


def _runs(text: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(begin, end) of the stretches of text in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], text, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]

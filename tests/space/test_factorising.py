"""A narrower word table against the whole one."""

import numpy as np
import pytest
import torch
from tiny_models import masked_batch, random_encoder, tiny

from compressor.space.factorising import WORDS_SHARE, affordable_rank, factorise

SHAPE = tiny((2, 32), (1, 16))
NEVER = np.zeros(SHAPE.vocabulary, dtype=np.int64)


def word_vectors(encoder: torch.nn.Module) -> torch.Tensor:
    """What a word contributes to the sum with its position at 0, [vocabulary, hidden]."""
    words = encoder.embeddings.word.weight
    words = words if encoder.embeddings.widen is None else encoder.embeddings.widen(words)
    return (words + encoder.embeddings.position.weight[0]).detach()


def test_all_directions_are_the_same_encoder() -> None:
    encoder = random_encoder(SHAPE)
    batch = {name: torch.from_numpy(value) for name, value in masked_batch(SHAPE).items()}
    whole = encoder(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    again = factorise(encoder, SHAPE.hidden, NEVER)(*batch.values())
    torch.testing.assert_close(again, whole, rtol=1e-5, atol=1e-5)


def test_the_error_is_that_of_the_directions_left_out() -> None:
    """Eckart and Young 1936: the best matrix of some rank leaves the small singular values."""
    encoder = random_encoder(SHAPE)
    narrow = factorise(encoder, 6, NEVER)
    words = encoder.embeddings.word.weight.detach().double()
    left_out = torch.linalg.svdvals(words - words.mean(0))[6:].square().sum()
    error = (word_vectors(narrow) - word_vectors(encoder)).double().square().sum()
    assert float(error) == pytest.approx(float(left_out), rel=1e-4)
    assert narrow.embeddings.word.weight.shape == (SHAPE.vocabulary, 6)


def test_frequent_words_are_kept_better() -> None:
    encoder, counts = random_encoder(SHAPE), NEVER.copy()
    counts[:5] = 10_000
    errors = [
        (word_vectors(factorise(encoder, 6, c)) - word_vectors(encoder)).square().sum(1) for c in (NEVER, counts)
    ]
    assert float(errors[1][:5].sum()) < 0.01 * float(errors[0][:5].sum())
    assert float(errors[1][5:].sum()) > float(errors[0][5:].sum())


def test_columns_have_one_size() -> None:
    table = factorise(random_encoder(SHAPE), 6, NEVER).embeddings.word.weight.detach()
    torch.testing.assert_close(table.square().mean(0).sqrt(), torch.ones(6), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("megabytes", "rank"), [(1.0, 16), (5.0, 64), (100.0, None)])
def test_the_rank_is_what_the_room_allows(megabytes: float, rank: int | None) -> None:
    shape = tiny((2, 32), hidden=384, vocabulary=30_522)
    found = affordable_rank(shape, int(1e6 * megabytes), value_bytes=1)
    assert found == rank
    if rank is not None and rank > 16:
        assert (rank + 4) * 30_522 <= WORDS_SHARE * megabytes * 1e6 < (rank + 4 + 16) * 30_522
    assert affordable_rank(shape, 40_000_000, value_bytes=4) == 144

"""Which rows are in which step."""

import numpy as np
import pytest

from compressor.train import DataOrder

LENGTHS = np.random.default_rng(0).integers(3, 60, size=1003)


def epoch(order: DataOrder, number: int = 0) -> list[np.ndarray]:
    first = number * order.steps_per_epoch
    return [order.rows(step) for step in range(first, first + order.steps_per_epoch)]


def test_the_same_seed_gives_the_same_rows_in_any_order_of_asking() -> None:
    forwards = [DataOrder(LENGTHS, 32, 7).rows(step) for step in range(70)]
    again = DataOrder(LENGTHS.copy(), 32, 7)
    for step in np.random.default_rng(1).permutation(70):
        np.testing.assert_array_equal(again.rows(int(step)), forwards[step])


def test_another_seed_or_epoch_gives_other_rows() -> None:
    first = np.concatenate(epoch(DataOrder(LENGTHS, 32, 7)))
    assert not np.array_equal(first, np.concatenate(epoch(DataOrder(LENGTHS, 32, 8))))
    assert not np.array_equal(first, np.concatenate(epoch(DataOrder(LENGTHS, 32, 7), 1)))


@pytest.mark.parametrize(("rows", "batch"), [(96, 32), (1003, 32), (20, 20)], ids=["whole", "rest", "one batch"])
def test_an_epoch_has_every_row_at_most_once_and_leaves_out_less_than_a_batch(rows: int, batch: int) -> None:
    order = DataOrder(LENGTHS[:rows], batch, 0)
    seen = np.concatenate(epoch(order))
    assert len(seen) == rows // batch * batch
    assert len(set(seen.tolist())) == len(seen)
    assert set(seen.tolist()) <= set(range(rows))


def test_no_row_is_left_out_of_every_epoch() -> None:
    order = DataOrder(LENGTHS[:70], 32, 0)
    seen = {int(row) for number in range(30) for row in np.concatenate(epoch(order, number))}
    assert seen == set(range(70))


def test_fewer_rows_than_a_batch_are_repeated_evenly() -> None:
    counts = np.bincount(DataOrder(LENGTHS[:10], 32, 0).rows(3), minlength=10)
    assert counts.sum() == 32
    assert set(counts.tolist()) <= {3, 4}


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_ranks_share_a_batch_and_its_work(ranks: int) -> None:
    order = DataOrder(LENGTHS, 32, 3)
    for step in range(40):
        parts = [order.rows(step, rank, ranks) for rank in range(ranks)]
        assert [len(part) for part in parts] == [32 // ranks] * ranks
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(order.rows(step)))
        longest = [LENGTHS[part].max() for part in parts]
        assert max(longest) - min(longest) <= np.ptp(LENGTHS[order.rows(step)])


def test_a_batch_holds_rows_of_similar_length() -> None:
    order = DataOrder(LENGTHS, 32, 0)
    padded = sum(len(rows) * LENGTHS[rows].max() for rows in epoch(order))
    real = sum(LENGTHS[rows].sum() for rows in epoch(order))
    shuffled = np.random.default_rng(0).permutation(len(LENGTHS))[: 31 * 32].reshape(31, 32)
    careless = sum(len(rows) * LENGTHS[rows].max() for rows in shuffled)
    assert padded < 1.1 * real < 0.8 * careless


def test_short_and_long_batches_come_in_mixed_order() -> None:
    means = np.array([LENGTHS[rows].mean() for rows in epoch(DataOrder(LENGTHS, 32, 0))])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5

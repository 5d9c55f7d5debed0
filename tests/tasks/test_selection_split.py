"""The selection split: a partition, stratified, seeded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.tasks import Split, carve, default_selection_size, selection_split

ROOT = Path(__file__).parents[2]


def _labels(*counts: int, seed: int = 0) -> NDArray[np.int64]:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels).astype(np.int64)


@pytest.mark.parametrize(("rows", "size"), [(67_349, 2000), (20_000, 2000), (3_668, 366), (9, 0)])
def test_default_size(rows: int, size: int) -> None:
    assert default_selection_size(rows) == size


@pytest.mark.parametrize("counts", [(50, 50), (90, 10), (97, 2, 1), (5, 60, 33, 2), (40,)])
@pytest.mark.parametrize("size", [4, 13, 30])
def test_partition_and_shares(counts: tuple[int, ...], size: int) -> None:
    labels = _labels(*counts)
    train, selection = selection_split(labels, size=size, seed=3)
    assert sorted(np.concatenate([train, selection])) == list(range(len(labels)))
    assert len(selection) == size
    assert (np.diff(train) > 0).all()
    assert (np.diff(selection) > 0).all()
    taken = np.bincount(labels[selection], minlength=len(counts))
    exact = np.array(counts) * size / sum(counts)
    small = (exact < 1).sum()  # rows given to classes that are too small for one come from the others
    assert (np.abs(taken - exact) < 1 + small).all()
    assert all(taken[index] >= 1 and taken[index] < count for index, count in enumerate(counts) if count > 1)


def test_exact_shares() -> None:
    labels = _labels(60, 30, 10)
    _, selection = selection_split(labels, size=10, seed=0)
    assert np.bincount(labels[selection]).tolist() == [6, 3, 1]


def test_a_single_row_stays_in_train() -> None:
    labels = np.array([0, 0, 0, 0, 1], dtype=np.int64)
    train, _ = selection_split(labels, size=2, seed=0)
    assert 4 in train


def test_seed_decides() -> None:
    labels = _labels(200, 100)
    first, again = (selection_split(labels, size=50, seed=1)[1] for _ in range(2))
    other = selection_split(labels, size=50, seed=2)[1]
    assert (first == again).all()
    assert (first != other).any()


def test_same_in_another_process() -> None:
    code = (
        "import numpy as np; from compressor.tasks.splits import selection_split; "
        "print(selection_split(np.arange(100) % 3, size=10, seed=5)[1].tolist())"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(selection_split(np.arange(100) % 3, size=10, seed=5)[1].tolist())


@pytest.mark.parametrize(("counts", "size"), [((5, 5), 0), ((5, 5), 1), ((5, 5), 9), ((1, 1), 1), ((0,), 1)])
def test_too_small(counts: tuple[int, ...], size: int) -> None:
    with pytest.raises(InputError, match=rf"cannot carve {size} rows out of {sum(counts)} training rows .*give more"):
        selection_split(_labels(*counts), size=size, seed=0)


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (10, 9), (9,), (2,) * 30])
def test_as_many_rows_as_the_message_names_can_be_carved_from(counts: tuple[int, ...]) -> None:
    labels = _labels(*counts)
    with pytest.raises(InputError, match=r"for `held_out`, .*at least \d+ rows to carve from$") as caught:
        carve(Split("train", (("x",),) * len(labels), labels), seed=0, part="held_out")
    needed = int(str(caught.value).split()[-5])
    more = np.resize(labels, needed)
    assert needed > len(labels)
    assert len(carve(Split("train", (("x",),) * needed, more), seed=0)[1]) == needed // 10


@pytest.mark.parametrize(("rows", "size"), [(1000, 100), (60, 6), (5000, 37)])
def test_scores_are_stratified(rows: int, size: int) -> None:
    scores = np.random.default_rng(1).gamma(2.0, size=rows)
    train, selection = selection_split(scores, size=size, seed=0)
    assert sorted(np.concatenate([train, selection])) == list(range(rows))
    bins = min(10, size)
    ranks = scores.argsort().argsort()[selection] * bins // rows
    assert (np.abs(np.bincount(ranks, minlength=bins) - size / bins) <= 1).all()


def test_scores_that_are_nearly_all_the_same_can_be_split() -> None:
    scores = np.array([0.0] * 95 + [5.0] * 5)
    _, selection = selection_split(scores, size=10, seed=0)
    assert len(selection) == 10


@pytest.mark.parametrize("labels", [None, np.arange(60) % 2])
def test_rows_without_one_label_are_drawn_from_all_alike(labels: NDArray[np.int64] | None) -> None:
    texts = tuple((f"row {row}",) for row in range(30))
    split = Split("train", texts, labels, None if labels is None else np.arange(0, 61, 2))
    train, selection = carve(split, size=5, seed=0)
    assert sorted(np.concatenate([train, selection])) == list(range(30))
    assert len(selection) == 5
    assert carve(split, size=5, seed=1)[1].tolist() != selection.tolist()

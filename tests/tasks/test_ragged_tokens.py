"""Ragged tokens: rows, batches, and the folder on disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import BorderError, InputError
from compressor.tasks import Tokens, joined

ROWS = [[2, 4, 5, 3], [2, 3], [2, 6, 3]]
TYPES = [[0, 0, 1, 1], [0, 0], [0, 0, 0]]


def _tokens(rows: list[list[int]], types: list[list[int]] | None = None) -> Tokens:
    types = types or [[0] * len(row) for row in rows]
    return Tokens(
        np.array([token for row in rows for token in row], dtype=np.int32),
        np.array([kind for row in types for kind in row], dtype=np.uint8),
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
    )


def _random(seed: int, rows: int = 40) -> Tokens:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, rows)
    return replace(
        _tokens([rng.integers(0, 99, length).tolist() for length in lengths]), full_lengths=lengths + lengths % 2
    )


def test_rows() -> None:
    tokens = _tokens(ROWS, TYPES)
    assert len(tokens) == 3
    assert tokens.lengths.tolist() == [4, 2, 3]
    assert [tokens.row(index)[0].tolist() for index in range(3)] == ROWS
    assert [tokens.row(index)[1].tolist() for index in range(3)] == TYPES
    assert tokens.row(-1)[0].tolist() == ROWS[2]
    assert tokens.uncut_lengths.tolist() == tokens.lengths.tolist()
    assert tokens.truncated == 0
    with pytest.raises(IndexError, match="row 3 of 3"):
        tokens.row(3)


def test_padded() -> None:
    batch = _tokens(ROWS, TYPES).padded([2, 0], pad_id=9)
    assert batch["input_ids"].tolist() == [[2, 6, 3, 9], [2, 4, 5, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert {array.dtype.name for array in batch.values()} == {"int64"}


def test_padded_without_rows() -> None:
    assert _tokens(ROWS).padded([], pad_id=0)["input_ids"].shape == (0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_select_is_row_by_row(seed: int) -> None:
    tokens = _random(seed)
    index = np.random.default_rng(seed + 100).integers(-len(tokens), len(tokens), 25)
    chosen = tokens.select(index)
    assert chosen.full_lengths is not None
    assert tokens.full_lengths is not None
    for position, row in enumerate(index):
        assert chosen.row(position)[0].tolist() == tokens.row(row)[0].tolist()
    assert chosen.uncut_lengths.tolist() == tokens.full_lengths[index].tolist()
    assert chosen.truncated == int(np.sum(tokens.lengths[index] % 2))


@pytest.mark.parametrize("seed", range(5))
def test_padding_can_be_undone(seed: int) -> None:
    tokens = _random(seed)
    batch = tokens.padded(np.arange(len(tokens)), pad_id=-1)
    assert (batch["input_ids"][batch["attention_mask"] == 1] == tokens.ids).all()
    assert (batch["input_ids"][batch["attention_mask"] == 0] == -1).all()
    assert (batch["attention_mask"].sum(axis=1) == tokens.lengths).all()


@pytest.mark.parametrize("tokens", [_random(0), _tokens(ROWS, TYPES), _tokens([])], ids=["cut", "whole", "empty"])
def test_disk_round_trip(tmp_path: Path, tokens: Tokens) -> None:
    tokens.save(tmp_path / "cache" / "train")
    found = Tokens.load(tmp_path / "cache" / "train")
    for name in ("ids", "type_ids", "offsets", "full_lengths"):
        before, after = getattr(tokens, name), getattr(found, name)
        assert (before is None) == (after is None)
        assert before is None or (before.dtype == after.dtype and (before == after).all())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["train"]


def test_loaded_tokens_are_mapped_and_read_only(tmp_path: Path) -> None:
    _tokens(ROWS).save(tmp_path / "tokens")
    found = Tokens.load(tmp_path / "tokens")
    assert isinstance(found.ids, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.ids[0] = 1


def test_save_replaces(tmp_path: Path) -> None:
    _random(0).save(tmp_path / "tokens")
    _tokens(ROWS).save(tmp_path / "tokens")
    found = Tokens.load(tmp_path / "tokens")
    assert (len(found), found.full_lengths) == (3, None)


def test_a_save_that_fails_leaves_the_old_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tokens(ROWS).save(tmp_path / "tokens")

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space left"):
        _random(0).save(tmp_path / "tokens")
    assert len(Tokens.load(tmp_path / "tokens")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_load_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokens is not a folder of tokens .*delete it and run again"):
        Tokens.load(tmp_path / "tokens")


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_load_refuses_damage(tmp_path: Path, damage: bytes | None) -> None:
    _tokens(ROWS).save(tmp_path / "tokens")
    path = tmp_path / "tokens" / "ids.npy"
    path.write_bytes(path.read_bytes()[:-4] if damage is None else damage)
    with pytest.raises(InputError, match="is not a folder of tokens"):
        Tokens.load(tmp_path / "tokens")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.zeros(9, dtype=np.int64)}, "expected int32, uint8, int64 arrays, found int64, uint8, int64"),
        ({"ids": np.zeros(8, dtype=np.int32)}, r"expected 9 ids and type ids \(last offset\), found \(8, 9\)"),
        ({"offsets": np.array([0, 4, 3, 9])}, "offsets that start at 0 and never fall"),
        ({"offsets": np.array([1, 4, 9])}, "offsets that start at 0 and never fall"),
        ({"full_lengths": np.array([4])}, r"expected 3 full lengths, found \(1,\)"),
    ],
)
def test_arrays_must_fit(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(BorderError, match=message):
        replace(_tokens(ROWS), **change)


def test_joined_tokens_are_the_rows_of_all_in_turn() -> None:
    first, second = _tokens(ROWS, TYPES), _random(1)
    both = joined([first, second])
    assert len(both) == 43
    for index in range(43):
        part, row = (first, index) if index < 3 else (second, index - 3)
        for found, expected in zip(both.row(index), part.row(row), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert both.truncated == second.truncated > 0
    assert joined([first, first]).full_lengths is None

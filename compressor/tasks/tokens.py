"""Token ids of many texts as three flat arrays, in memory or mapped from disk.

    ids      [CLS] a b [SEP] [CLS] c [SEP]
    offsets  0               4             7

Nothing is padded before a batch is made, so the 67,349 phrases of SST-2 take 5.6 MB.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.errors import BorderError, InputError
from compressor.tasks.ragged import take

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Ragged token ids; row `i` is `ids[offsets[i]:offsets[i + 1]]`.

    Args:
        ids: Token ids int32 [total].
        type_ids: 0 for the first text of a pair, 1 for the second; uint8 [total].
        offsets: int64 [rows + 1], from 0 to total.
        full_lengths: Tokens of each row before it was truncated, int64 [rows]; None: nothing was.

    Raises:
        BorderError: The arrays do not fit together.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    offsets: Ints
    full_lengths: Ints | None = None

    def __post_init__(self) -> None:
        kinds = [array.dtype.name for array in (self.ids, self.type_ids, self.offsets)]
        if kinds != ["int32", "uint8", "int64"]:
            raise BorderError(f"tokens: expected int32, uint8, int64 arrays, found {', '.join(kinds)}")
        total = (len(self.ids), len(self.type_ids))
        if len(self.offsets) == 0 or self.offsets[0] != 0 or (np.diff(self.offsets) < 0).any():
            raise BorderError("tokens: expected offsets that start at 0 and never fall")
        if total != (self.offsets[-1], self.offsets[-1]):
            raise BorderError(f"tokens: expected {self.offsets[-1]} ids and type ids (last offset), found {total}")
        if self.full_lengths is not None and self.full_lengths.shape != (len(self),):
            raise BorderError(f"tokens: expected {len(self)} full lengths, found {self.full_lengths.shape}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Tokens of each row, int64 [rows]."""
        return np.diff(self.offsets)

    @property
    def uncut_lengths(self) -> Ints:
        """Tokens of each row before it was truncated, int64 [rows]."""
        return self.lengths if self.full_lengths is None else self.full_lengths

    @property
    def truncated(self) -> int:
        """Number of rows that lost tokens to the maximum length."""
        return int(np.sum(self.uncut_lengths > self.lengths))

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """(ids, type_ids) of one row, as views [length]; a negative index counts from the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        start, end = self.offsets[index % len(self)], self.offsets[index % len(self) + 1]
        return self.ids[start:end], self.type_ids[start:end]

    def select(self, index: ArrayLike) -> "Tokens":
        """The rows of `index` [n], in its order, as Tokens of their own."""
        source, offsets = take(self.offsets, index)
        full = None if self.full_lengths is None else self.full_lengths[np.asarray(index, dtype=np.int64)]
        return Tokens(self.ids[source], self.type_ids[source], offsets, full)

    def padded(self, index: ArrayLike, pad_id: int) -> dict[str, Ints]:
        """One batch for the model.

        Args:
            index: Row numbers [batch].
            pad_id: Token id that fills rows up on the right.

        Returns:
            `input_ids`, `attention_mask`, `token_type_ids`: int64 [batch, longest row of the batch].
        """
        chosen = self.select(index)
        mask = np.arange(chosen.lengths.max(initial=0)) < chosen.lengths[:, None]
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        type_ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask], type_ids[mask] = chosen.ids, chosen.type_ids
        return {"input_ids": ids, "attention_mask": mask.astype(np.int64), "token_type_ids": type_ids}

    def save(self, path: Path) -> None:
        """Write a folder of `.npy` files; a reader sees all of it or nothing, an older one is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as spare:
            # A folder inside: the temporary one is closed to other users, and its mode would travel along.
            fresh = Path(spare) / "new"
            fresh.mkdir()
            for field in fields(self):
                if (array := getattr(self, field.name)) is not None:
                    np.save(fresh / f"{field.name}.npy", array, allow_pickle=False)
            if path.exists():
                path.rename(Path(spare) / "old")
            fresh.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Tokens":
        """Map a folder that `save` wrote into memory, read-only.

        Raises:
            InputError: The folder is missing or damaged.
        """
        names = [field.name for field in fields(cls)]
        if not (path / f"{names[-1]}.npy").exists():
            names.pop()
        try:
            return cls(**{name: np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names})
        except (OSError, EOFError, ValueError, BorderError) as error:
            raise InputError(f"{path} is not a folder of tokens ({error}); delete it and run again") from error


def joined(parts: Sequence[Tokens]) -> Tokens:
    """The rows of several, one after the other."""
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
    whole = all(part.full_lengths is None for part in parts)
    return Tokens(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.type_ids for part in parts]),
        np.concatenate([np.zeros(1, dtype=np.int64), *offsets]),
        None if whole else np.concatenate([part.uncut_lengths for part in parts]),
    )

"""A task's texts in memory: splits of rows, and where they come from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.task import TaskSpec


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one file, in its order.

    Args:
        name: Name of the file without `.tsv`, or "held_out".
        texts: One tuple per row: a text, or the two of a pair.
        labels: Class ids int64 [rows], read-only; None where the file has none.
    """

    name: str
    texts: tuple[tuple[str, ...], ...]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, name: str, rows: NDArray[np.int64]) -> "Split":
        """A split of its own with these rows."""
        labels = None if self.labels is None else self.labels[rows]
        if labels is not None:
            labels.setflags(write=False)
        return Split(name, tuple(self.texts[row] for row in rows), labels)


@dataclass(frozen=True, eq=False)
class TextData:
    """All splits of one task.

    Args:
        spec: The task as it was understood; `splits[spec.eval_split]` has labels.
        splits: By name; "train" is always there, with labels.
        source: The folder.
        digest: sha256 (hex) of names and contents of the files that were read.
        notes: What a user should know about how the data was understood; sentences.
    """

    spec: TaskSpec
    splits: dict[str, Split]
    source: Path
    digest: str
    notes: tuple[str, ...] = ()

"""A task's texts in memory: splits of rows, and where they come from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.records.task import TaskSpec
from compressor.tasks.ragged import take

Labels = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one file, in its order.

    Args:
        name: Name of the file without its suffix, or "held_out".
        texts: One tuple per row: a text, or the two of a pair. For token classification one text, whose words are
            joined by single spaces.
        labels: Class ids int64 [rows], scores float64 [rows], or the class ids of all words int64 [words]; read-only.
            None where the file has none, or where they are not to be used.
        offsets: int64 [rows + 1] where there is a label per word: row i has the words offsets[i] to offsets[i + 1].
    """

    name: str
    texts: tuple[tuple[str, ...], ...]
    labels: Labels | None
    offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, name: str, rows: NDArray[np.int64]) -> "Split":
        """A split of its own with these rows [n], in their order."""
        texts = tuple(self.texts[row] for row in rows)
        if self.labels is None:
            return Split(name, texts, None)
        if self.offsets is None:
            return Split(name, texts, read_only(self.labels[rows]))
        words, offsets = take(self.offsets, rows)
        return Split(name, texts, read_only(self.labels[words]), offsets)


@dataclass(frozen=True, eq=False)
class TextData:
    """All splits of one task.

    Args:
        spec: The task as it was understood; `splits[spec.eval_split]` has labels unless the metric is `agreement`.
        splits: By name; "train" is always there, with labels unless the metric is `agreement`. "unlabelled" is there
            where the folder has such a file.
        source: The folder.
        digest: sha256 (hex) of names and contents of the files that were read.
        notes: What a user should know about how the data was understood; sentences.
    """

    spec: TaskSpec
    splits: dict[str, Split]
    source: Path
    digest: str
    notes: tuple[str, ...] = ()


def words_of(text: str) -> list[str]:
    """The words of a text of token classification."""
    return text.split(" ") if text else []


def read_only(labels: Labels) -> Labels:
    """The same array, which nobody can write to."""
    labels.setflags(write=False)
    return labels

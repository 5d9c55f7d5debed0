"""What the outputs of a model are compared with: one value per row, or one per token.

    token classification, labels O and B-loc = 0 and 1

    tokens   [CLS]  Ber  ##lin  is  nice  [SEP]
    values   -100   1    -100   0   0     -100

Only the first piece of a word counts, as usual for BERT (Devlin et al., 2019, section 5.3).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.errors import BorderError
from compressor.tasks.ragged import are_offsets, take

# The value of a token that counts nowhere, and the index that PyTorch's cross entropy ignores by default.
IGNORED = -100
# The class of a row or token that counts and that nobody labelled; no metric takes it for a class.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of rows.

    Args:
        values: Class ids int64 [rows]; scores float64 [rows]; or class ids int64 [tokens], flat, `IGNORED` at special
            tokens and at later pieces of a word. `UNKNOWN` where the class is not known.
        offsets: int64 [rows + 1] where there is a value per token, the same as those of the tokens; else None.
        tags: Name of each class where there is a value per token.

    Raises:
        BorderError: The arrays do not fit together.
    """

    values: NDArray[np.int64] | NDArray[np.float64]
    offsets: NDArray[np.int64] | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kind = self.values.dtype.name
        if self.values.ndim != 1 or kind not in ("int64", "float64"):
            raise BorderError(f"targets: expected flat int64 or float64 values, found {kind} {self.values.shape}")
        if self.offsets is None:
            return
        if kind != "int64" or self.offsets.dtype != np.int64:
            raise BorderError(f"targets: expected int64 values and offsets, found {kind} and {self.offsets.dtype}")
        if not are_offsets(self.offsets, len(self.values)):
            raise BorderError(f"targets: expected offsets that start at 0, never fall and end at {len(self.values)}")

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which values count [rows] or [tokens]."""
        return np.asarray(self.values != IGNORED)

    def select(self, index: ArrayLike) -> "Targets":
        """The rows of `index` [n], in its order."""
        if self.offsets is None:
            return Targets(self.values[np.asarray(index, dtype=np.int64)])
        source, offsets = take(self.offsets, index)
        return Targets(self.values[source], offsets, self.tags)

    def answered_by(self, outputs: NDArray[np.floating[Any]]) -> "Targets":
        """A model's answers as targets: what `agreement` compares with.

        Args:
            outputs: Logits [rows, classes] or [tokens, classes], aligned with the values.

        Returns:
            The class of the largest logit at every row or token that counts.

        Raises:
            BorderError: Outputs of other rows.
        """
        if outputs.ndim != 2 or len(outputs) != len(self.values):
            raise BorderError(f"expected logits [{len(self.values)}, classes], found {outputs.shape}")
        return Targets(np.where(self.counted, outputs.argmax(axis=1), IGNORED), self.offsets, self.tags)

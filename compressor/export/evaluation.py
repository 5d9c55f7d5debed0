"""The evaluation data in a bundle: token ids, labels, and what teacher and student answered."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError, InputError
from compressor.tasks.tokens import Tokens


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Rows of the evaluation split.

    Attributes:
        tokens: Untruncated rows.
        labels: int64 [rows].
        teacher: Logits of the teacher compiled to fp32, float32 [rows, classes].
        student: Logits of the student's fp32 graph.
        engine: Logits of the exported engine, one row at a time.
    """

    tokens: Tokens
    labels: NDArray[np.int64]
    teacher: NDArray[np.float32]
    student: NDArray[np.float32]
    engine: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write one `.npz`; nothing in it is pickled."""
        np.savez_compressed(
            path,
            ids=self.tokens.ids,
            type_ids=self.tokens.type_ids,
            offsets=self.tokens.offsets,
            labels=self.labels,
            teacher=self.teacher,
            student=self.student,
            engine=self.engine,
        )

    @classmethod
    def load(cls, path: Path) -> "EvaluationData":
        """Read what `save` wrote.

        Raises:
            InputError: The file is missing or damaged.
        """
        try:
            # A stream of our own: numpy leaves the file open where it is no archive.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                tokens = Tokens(stored["ids"], stored["type_ids"], stored["offsets"])
                rest = (stored[name] for name in ("labels", "teacher", "student", "engine"))
                return cls(tokens, *rest)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error, BorderError) as error:
            raise InputError(f"{path} cannot be read ({error}); the bundle is not whole: export it again") from error

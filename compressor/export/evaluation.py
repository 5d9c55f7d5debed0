"""The evaluation data in a bundle: token ids, targets, and what teacher and student answered."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError, InputError
from compressor.tasks.targets import Targets
from compressor.tasks.tokens import Tokens


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Rows of the evaluation split.

    Attributes:
        tokens: Untruncated rows.
        targets: Of the same rows; the teacher's answers where the metric is agreement.
        teacher: Outputs of the teacher compiled to fp32, float32 [rows, classes], or [tokens, classes] where there is
            a target per token.
        student: Outputs of the student's fp32 graph.
        engine: Outputs of the exported engine, one row at a time.

    Raises:
        BorderError: Targets or outputs of other rows.
    """

    tokens: Tokens
    targets: Targets
    teacher: NDArray[np.float32]
    student: NDArray[np.float32]
    engine: NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.targets) != len(self.tokens):
            raise BorderError(f"expected targets of {len(self.tokens)} rows, found {len(self.targets)}")
        for name in ("teacher", "student", "engine"):
            found = getattr(self, name).shape
            if found[:1] != self.targets.values.shape:
                raise BorderError(f"expected outputs of {len(self.targets.values)} values by {name}, found {found}")

    def save(self, path: Path) -> None:
        """Write one `.npz`; nothing in it is pickled.

        Offsets of targets per token are not written twice: they are those of the tokens.
        """
        np.savez_compressed(
            path,
            ids=self.tokens.ids,
            type_ids=self.tokens.type_ids,
            offsets=self.tokens.offsets,
            targets=self.targets.values,
            teacher=self.teacher,
            student=self.student,
            engine=self.engine,
            per_token=np.array(self.targets.offsets is not None),
            tags=np.array(self.targets.tags, dtype=np.str_),
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
                offsets = tokens.offsets if stored["per_token"] else None
                targets = Targets(stored["targets"], offsets, tuple(stored["tags"].tolist()))
                return cls(tokens, targets, *(stored[name] for name in ("teacher", "student", "engine")))
        except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error, BorderError) as error:
            raise InputError(f"{path} cannot be read ({error}); the bundle is not whole: export it again") from error

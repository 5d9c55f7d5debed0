"""How near a student's answers are to its teacher's, on text as long as what it will be asked."""

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.distill.augmentation import joined_texts
from compressor.distill.recipe import LONGER
from compressor.encoder import Encoder
from compressor.pipeline.labelling import length_ratio, vocabulary_of
from compressor.pipeline.workbench import Workbench
from compressor.score import mean_divergence
from compressor.tasks import Tokens


class Nearness:
    """Divergence of students from their teacher on the selection part.

    Where the evaluation split is longer than the training text, so that students are trained on joined rows too, the
    rows of the selection part are joined. Of twelve students of SST-2, whose phrases are half as long as the sentences
    that they are asked about, the divergence on joined phrases has a correlation of 0.98 with that on sentences, on
    phrases alone of 0.87: few wide layers seem better there than they are (benchmarks/log.md).
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.tokens: Tokens = bench.selection.tokens
        self._answers: NDArray[np.float32] = bench.selection_teacher
        if length_ratio(bench) >= LONGER:
            rows, seed = len(self.tokens), bench.request.seed
            self.tokens = joined_texts(self.tokens, vocabulary_of(bench), rows=rows, seed=seed, strange=0.0)
            self._answers = bench.fp32_outputs(bench.teacher_graph, self.tokens)

    def divergence(self, student: Encoder) -> float:
        """Mean over rows, of a per-token model over tokens."""
        outputs = self._bench.fp32_outputs(student.emit(), self.tokens)
        return mean_divergence(self._bench.teacher.kind, torch.from_numpy(self._answers), torch.from_numpy(outputs))

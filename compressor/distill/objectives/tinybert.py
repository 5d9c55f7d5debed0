"""TinyBERT's two phases on a task: first what happens inside, then the answers.

    phase 1:  loss(x) = e MSE(h_s^0 W_e, h_t^0) + sum over m of [ a MSE(A_s^m, A_t^g(m)) + b MSE(h_s^m W_h, h_t^g(m)) ]
    phase 2:  loss(x) = CE(softmax(z_t), softmax(z_s)), of a regression (z_s - z_t)^2;   g(m) = m M_t / M_s

Jiao et al. 2020 (EMNLP, arXiv 1909.10351), section 3, for M_s and M_t layers, at temperature 1. A are scores in front
of the softmax. MSE is the mean over tokens and width, of scores over heads and pairs of tokens; padding does
not count. Their code sets scores with padding to 0 and counts those zeros, and keys that nobody asks about.

Where the student has the teacher's width there is no W; else W_h is shared by layers of one width, and W_e is another.
A layer with other heads than the teacher's is compared through a learned mixture of its heads; a layer without
attention (or where the teacher's has none) has no term, and a student that has none at all needs `attention: 0`.

Embedding tables are trained along where `embedding` is more than 0. One learning rate falls over both phases, whose
shares are those of 10 and 3 epochs; the paper starts each anew.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from compressor.distill.objectives.base import (
    EVERY_TASK,
    NOT_NEGATIVE,
    PART,
    Need,
    Objective,
    Ranges,
    Setting,
    check_depth,
)
from compressor.distill.objectives.layers import uniform
from compressor.distill.objectives.matching import summed_over_rows, token_shares, widened
from compressor.distill.objectives.outputs import cross
from compressor.encoder import Trace
from compressor.errors import InputError


class TinyBERT(Objective):
    """Embeddings, attention scores and hidden states; then the teacher's distribution."""

    name = "tinybert"
    source = "Jiao et al. 2020, arXiv 1909.10351, section 3"
    needs = frozenset[Need]({"teacher's logits", "hidden states", "attention scores"})
    tasks = EVERY_TASK
    ranges: ClassVar[Ranges] = {
        "embedding": NOT_NEGATIVE,
        "attention": NOT_NEGATIVE,
        "hidden": NOT_NEGATIVE,
        "inside": PART,
    }
    scheduled = True

    def __init__(
        self,
        setting: Setting,
        *,
        embedding: float = 1.0,
        attention: float = 1.0,
        hidden: float = 1.0,
        inside: float = 0.75,
    ) -> None:
        super().__init__(setting)
        check_depth(self.name, setting)
        self.embedding, self.attention, self.hidden, self.inside = embedding, attention, hidden, inside
        self.trains_tables = embedding > 0
        self._layers = uniform(setting.student.layers, setting.teacher.layers)
        self.embedding_projection = widened(setting.student.widths[0], setting.teacher.widths[0])
        self.hidden_projections = nn.ModuleDict(
            {_pair(*widths): widened(*widths) for widths in map(self._widths, range(1, len(self._layers)))}
        )
        self._attending = self._layers_with_scores() if attention else ()
        self.head_mixtures = nn.ModuleDict({str(m): widened(*self._heads(m)) for m in self._attending})

    @classmethod
    def needs_of(cls, parameters: Mapping[str, float]) -> frozenset[Need]:
        """See `Objective`: without a weight the attention scores do not count."""
        return cls.needs if parameters["attention"] else cls.needs - {"attention scores"}

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        if progress >= self.inside:
            return cross(self.setting, student, teacher)
        total = self.embedding * _distance(self.embedding_projection, student, teacher, 0, 0)
        for ours, theirs in list(enumerate(self._layers))[1:]:
            projected = self.hidden_projections[_pair(*self._widths(ours))]
            total = total + self.hidden * _distance(projected, student, teacher, ours, theirs)
        for ours in self._attending:
            total = total + self.attention * self._score_distance(student, teacher, ours)
        return total

    def _widths(self, layer: int) -> tuple[int, int]:
        """Of the student's layer and of the teacher's that it is matched with."""
        return self.setting.student.widths[layer], self.setting.teacher.widths[self._layers[layer]]

    def _heads(self, layer: int) -> tuple[int, int]:
        return self.setting.student.heads[layer - 1], self.setting.teacher.heads[self._layers[layer] - 1]

    def _layers_with_scores(self) -> tuple[int, ...]:
        found = tuple(m for m in range(1, len(self._layers)) if all(self._heads(m)))
        if not found:
            raise InputError(
                f"--distill {self.name} compares attention scores: expected a student with attention, found none in "
                "its layers; set `attention: 0` in the recipe"
            )
        return found

    def _score_distance(self, student: Trace, teacher: Trace, layer: int) -> Tensor:
        """MSE of the scores of one layer, summed over rows."""
        ours, theirs = student.scores[layer - 1], teacher.scores[self._layers[layer] - 1]
        if ours is None or theirs is None:
            raise ValueError(f"the sizes say that layer {layer} has attention, and its trace has no scores")
        mixed = self.head_mixtures[str(layer)](ours.movedim(1, -1)).movedim(-1, 1)
        errors = (mixed - theirs).square().mean(1)
        shares = token_shares(student.mask, errors.dtype)
        return torch.einsum("bqk,bq,bk->", errors, shares, shares)


def _distance(projected: nn.Module, student: Trace, teacher: Trace, ours: int, theirs: int) -> Tensor:
    """MSE of hidden states over all real tokens, summed over rows."""
    error = (projected(student.hidden[ours]) - teacher.hidden[theirs]).square().mean(-1)
    return summed_over_rows(error, student.mask)


def _pair(student: int, teacher: int) -> str:
    return f"{student}-{teacher}"

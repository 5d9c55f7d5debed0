"""TinyBERT's two phases on a task: first what happens inside, then the answers.

    phase 1:  loss(x) = e MSE(h_s^0 W_e, h_t^0) + sum over m of [ a MSE(A_s^m, A_t^g(m)) + b MSE(h_s^m W_h, h_t^g(m)) ]
    phase 2:  loss(x) = CE(softmax(z_t), softmax(z_s)), of a regression (z_s - z_t)^2;   g(m) = m M_t / M_s

Jiao et al. 2020 (EMNLP, arXiv 1909.10351), section 3, for M_s and M_t layers, at temperature 1. A are scores in front
of the softmax. MSE is the mean over tokens and width, of scores over heads and pairs of tokens; padding does
not count. Their code sets scores with padding to 0 and counts those zeros, and keys that nobody asks about; in phase 2
of a regression it learns the labels, here it is the teacher's output as of every other task.

Where the student has the teacher's width there is no W; else W_h is shared by layers of one width, and W_e is another.
A layer with other heads than the teacher's is compared through a learned mixture of its heads; a layer without
attention (or where the teacher's has none) has no term, and a student that has none at all needs `attention: 0`.
A part with weight 0 is left out; with the embeddings alone the student may be deeper than its teacher.

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
from compressor.distill.objectives.matching import (
    Projection,
    flat,
    show,
    summed_over_rows,
    token_shares,
    widened,
)
from compressor.distill.objectives.outputs import cross
from compressor.encoder import Trace
from compressor.errors import InputError

ANSWERS = frozenset[Need]({"teacher's logits"})


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
    matches_layers = True

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
        if not (embedding or attention or hidden):
            raise InputError(
                f"--distill {self.name}: expected embedding, attention or hidden of more than 0, which the first "
                f"{100 * inside:g} % of the training learn, found 0 for all of them; raise one, or use a loss on "
                "outputs alone"
            )
        self.embedding, self.attention, self.hidden, self.inside = embedding, attention, hidden, inside
        self.trains_tables, self.settled = embedding > 0, inside
        self._layers = self._matched() if attention or hidden else (0,)
        widths = setting.student.widths[0], setting.teacher.widths[0]
        self.embedding_projection = widened(*widths) if embedding else nn.Identity()
        self._compared = range(1, len(self._layers)) if hidden else range(0)
        self.hidden_projections = nn.ModuleDict(
            {_pair(*found): widened(*found) for found in map(self._widths, self._compared)}
        )
        self._attending = self._layers_with_scores() if attention else ()
        self.head_mixtures = nn.ModuleDict({str(m): widened(*self._heads(m)) for m in self._attending})

    @classmethod
    def needs_of(cls, parameters: Mapping[str, float]) -> frozenset[Need]:
        """See `Objective`: parts without a weight do not count."""
        states: frozenset[Need] = frozenset({"hidden states"})
        scores: frozenset[Need] = frozenset({"attention scores"})
        found = ANSWERS | states if parameters["embedding"] or parameters["hidden"] else ANSWERS
        return found | scores if parameters["attention"] else found

    def needs_at(self, progress: float) -> frozenset[Need]:
        """See `Objective`: the second phase reads the answers alone."""
        return ANSWERS if progress >= self.inside else self.needs

    @classmethod
    def in_order(cls, parameters: Mapping[str, float]) -> bool:
        """See `Objective`: all but the embeddings."""
        return parameters["attention"] > 0 or parameters["hidden"] > 0

    def loss(self, student: Trace, teacher: Trace, labels: Tensor, progress: float) -> Tensor:
        """See `Objective`."""
        if progress >= self.inside:
            return cross(self.setting, student, teacher, labels)
        total = student.logits.new_zeros(())
        if self.embedding:
            total = total + self.embedding * _distance(self.embedding_projection, student, teacher, 0, 0)
        for ours in self._compared:
            projected = self.hidden_projections[_pair(*self._widths(ours))]
            total = total + self.hidden * _distance(projected, student, teacher, ours, self._layers[ours])
        for ours in self._attending:
            total = total + self.attention * self._score_distance(student, teacher, ours)
        return total

    def observe(self, student: Trace, teacher: Trace) -> None:
        """See `Objective`."""
        if self.embedding:
            _show_states(self.embedding_projection, student, teacher, 0, 0)
        for ours in self._compared:
            projected = self.hidden_projections[_pair(*self._widths(ours))]
            _show_states(projected, student, teacher, ours, self._layers[ours])
        real = student.mask.bool()
        pairs = real[:, :, None] & real[:, None, :]
        for ours in self._attending:
            mixture = self.head_mixtures[str(ours)]
            if isinstance(mixture, Projection):
                scores = (found.movedim(1, -1)[pairs] for found in self._scores(student, teacher, ours))
                mixture.observe(*scores)

    def _matched(self) -> tuple[int, ...]:
        """The teacher's layer of each layer of the student, from 0."""
        check_depth(self.name, self.setting)
        return uniform(self.setting.student.layers, self.setting.teacher.layers)

    def _widths(self, layer: int) -> tuple[int, int]:
        """Of the student's layer and of the teacher's that it is matched with."""
        return self.setting.student.widths[layer], self.setting.teacher.widths[self._layers[layer]]

    def _heads(self, layer: int) -> tuple[int, int]:
        return self.setting.student.heads[layer - 1], self.setting.teacher.heads[self._layers[layer] - 1]

    def _layers_with_scores(self) -> tuple[int, ...]:
        matched = [self._heads(m) for m in range(1, len(self._layers))]
        if not any(map(all, matched)):
            ours, theirs = zip(*matched, strict=True)
            raise InputError(
                f"--distill {self.name} compares attention scores: expected a layer that has attention in the student "
                f"and in the layer of the teacher that it is matched with, found {list(ours)} heads in the student's "
                f"layers and {list(theirs)} in those of the teacher; set `attention: 0` in the recipe"
            )
        return tuple(m for m, heads in enumerate(matched, 1) if all(heads))

    def _scores(self, student: Trace, teacher: Trace, layer: int) -> tuple[Tensor, Tensor]:
        """Of one layer and of the one that it is matched with, [batch, heads, length, length] each."""
        ours, theirs = student.scores[layer - 1], teacher.scores[self._layers[layer] - 1]
        if ours is None or theirs is None:
            raise ValueError(f"the sizes say that layer {layer} has attention, and its trace has no scores")
        return ours, theirs

    def _score_distance(self, student: Trace, teacher: Trace, layer: int) -> Tensor:
        """MSE of the scores of one layer, summed over rows."""
        ours, theirs = self._scores(student, teacher, layer)
        mixed = self.head_mixtures[str(layer)](ours.movedim(1, -1)).movedim(-1, 1)
        errors = (mixed - theirs).square().mean(1)
        shares = token_shares(student.mask, errors.dtype)
        return torch.einsum("bqk,bq,bk->", errors, shares, shares)


def _distance(projected: nn.Module, student: Trace, teacher: Trace, ours: int, theirs: int) -> Tensor:
    """MSE of hidden states over all real tokens, summed over rows."""
    error = (projected(student.hidden[ours]) - teacher.hidden[theirs]).square().mean(-1)
    return summed_over_rows(error, student.mask)


def _show_states(projected: nn.Module, student: Trace, teacher: Trace, ours: int, theirs: int) -> None:
    show(projected, flat(student.hidden[ours], student.mask), flat(teacher.hidden[theirs], teacher.mask))


def _pair(student: int, teacher: int) -> str:
    return f"{student}-{teacher}"

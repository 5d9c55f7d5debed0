"""What each cut of a teacher costs."""

from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.architecture import Architecture, Cut, Layer, LayerCut


@dataclass(frozen=True)
class LayerScore:
    """One layer of the teacher.

    Attributes:
        head_order: Heads, the most important first.
        neuron_order: Neurons, the most important first.
        head_damage: Per head level, divergence of the teacher's outputs when only this sub-layer is cut to it.
        neuron_damage: Per neuron level, the same.
    """

    head_order: tuple[int, ...]
    neuron_order: tuple[int, ...]
    head_damage: tuple[float, ...]
    neuron_damage: tuple[float, ...]


@dataclass(frozen=True)
class ScoredSpace:
    """The levels that may be chosen and what each costs in each layer.

    Attributes:
        head_levels: Rising, from 0 to all heads.
        neuron_levels: Rising, from 0 to all neurons.
        layers: One score per teacher layer.
    """

    head_levels: tuple[int, ...]
    neuron_levels: tuple[int, ...]
    layers: tuple[LayerScore, ...]

    def cut(self, widths: tuple[Layer, ...]) -> Cut:
        """The cut that keeps the most important units of each layer."""
        kept = [
            LayerCut(tuple(sorted(score.head_order[: w.heads])), tuple(sorted(score.neuron_order[: w.neurons])))
            for score, w in zip(self.layers, widths, strict=True)
        ]
        return Cut(tuple(kept))


def check_scores(space: ScoredSpace, teacher: Architecture) -> ScoredSpace:
    """Border check: one score per layer, one damage per level, no damage where nothing is cut."""
    if len(space.layers) != len(teacher.layers):
        raise BorderError(f"expected a score for each of {len(teacher.layers)} layers, got {len(space.layers)}")
    for index, (score, layer) in enumerate(zip(space.layers, teacher.layers, strict=True)):
        sizes = (len(score.head_damage), len(score.neuron_damage), len(score.head_order), len(score.neuron_order))
        wanted = (len(space.head_levels), len(space.neuron_levels), layer.heads, layer.neurons)
        if sizes != wanted:
            raise BorderError(f"layer {index}: expected {wanted} damages and units, got {sizes}")
        if not all(0 <= damage < float("inf") for damage in (*score.head_damage, *score.neuron_damage)):
            raise BorderError(f"layer {index}: a damage must be finite and at least 0, got {score}")
    return space

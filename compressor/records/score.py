"""What each cut of an encoder costs."""

from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.architecture import Architecture, Cut, Layer, LayerCut


@dataclass(frozen=True)
class UnitScore:
    """The units of one sub-layer, heads or neurons; of a sub-layer that is not there: no unit, level 0, damage 0.

    Attributes:
        order: Units, the most important first.
        levels: Numbers of units that may be kept, rising from 0.
        damage: Per level, divergence of the encoder's outputs when only this sub-layer is cut to it.
    """

    order: tuple[int, ...]
    levels: tuple[int, ...]
    damage: tuple[float, ...]

    def kept(self, level: int) -> tuple[int, ...]:
        """The units of a level, sorted."""
        return tuple(sorted(self.order[:level]))


@dataclass(frozen=True)
class LayerScore:
    """One layer of the encoder that is cut."""

    heads: UnitScore
    neurons: UnitScore


@dataclass(frozen=True)
class ScoredSpace:
    """What may be chosen in each layer of the encoder that is cut, and what it costs."""

    layers: tuple[LayerScore, ...]

    @property
    def widths(self) -> tuple[Layer, ...]:
        """The widest choice of every layer."""
        return tuple(Layer(score.heads.levels[-1], score.neurons.levels[-1]) for score in self.layers)

    def cut(self, widths: tuple[Layer, ...]) -> Cut:
        """The cut that keeps the most important units of each layer."""
        kept = [
            LayerCut(score.heads.kept(width.heads), score.neurons.kept(width.neurons))
            for score, width in zip(self.layers, widths, strict=True)
        ]
        return Cut(tuple(kept))


def check_scores(space: ScoredSpace, source: Architecture) -> ScoredSpace:
    """Border check: one score per layer, all units in order, rising levels from 0, one damage per level."""
    if len(space.layers) != len(source.layers):
        raise BorderError(f"expected a score for each of {len(source.layers)} layers, got {len(space.layers)}")
    for index, (score, layer) in enumerate(zip(space.layers, source.layers, strict=True)):
        for name, units, width in (("heads", score.heads, layer.heads), ("neurons", score.neurons, layer.neurons)):
            _check_units(f"layer {index}, {name}", units, width)
    return space


def _check_units(where: str, units: UnitScore, width: int) -> None:
    if sorted(units.order) != list(range(width)):
        raise BorderError(f"{where}: expected an order of {width} units, got {units.order}")
    if units.levels != tuple(sorted({0, width, *units.levels})) or len(units.damage) != len(units.levels):
        raise BorderError(f"{where}: expected levels that rise from 0 to {width} and a damage for each, got {units}")
    if not all(0 <= damage < float("inf") for damage in units.damage):
        raise BorderError(f"{where}: a damage must be finite and at least 0, got {units.damage}")

"""The widths that each sub-layer may be cut to."""

from collections.abc import Sequence

from compressor.records.architecture import Architecture

# Share of the neurons that a level keeps; dense where the small students live.
NEURON_SHARES = tuple(part / 48 for part in (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48))
NEURON_MULTIPLE = 16  # int8 and float32 kernels work on blocks of 16 columns


def head_levels(teacher: Architecture) -> tuple[int, ...]:
    """Every number of heads from none to all."""
    return tuple(range(max(layer.heads for layer in teacher.layers) + 1))


def neuron_levels(teacher: Architecture) -> tuple[int, ...]:
    """Numbers of neurons, rising, from none to all, rounded to whole blocks of the kernels."""
    full = max(layer.neurons for layer in teacher.layers)
    rounded = {min(full, round(share * full / NEURON_MULTIPLE) * NEURON_MULTIPLE) for share in NEURON_SHARES}
    return tuple(sorted(rounded | {0, full}))


def levels_within(levels: Sequence[int], width: int) -> tuple[int, ...]:
    """The levels that a sub-layer of some width may be cut to, from 0 to that width."""
    return tuple(sorted({level for level in levels if level < width} | {0, width}))

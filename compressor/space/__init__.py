"""Architectures, what may be cut, and how weights are inherited; pure."""

from compressor.space.cutting import inherit, student_architecture
from compressor.space.levels import head_levels, levels_within, neuron_levels
from compressor.space.sampling import sample_architecture

__all__ = ["head_levels", "inherit", "levels_within", "neuron_levels", "sample_architecture", "student_architecture"]

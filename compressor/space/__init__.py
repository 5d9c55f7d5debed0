"""Architectures, what may be cut, and how weights are inherited; pure."""

from compressor.space.cutting import inherit, student_architecture
from compressor.space.levels import head_levels, neuron_levels
from compressor.space.sampling import sample_architecture

__all__ = ["head_levels", "inherit", "neuron_levels", "sample_architecture", "student_architecture"]

"""Resolve and load a teacher; one adapter file per family onto the canonical encoder."""

from compressor.teachers.loading import FAMILIES, Teacher, label_names, load_base, load_teacher, weights_path

__all__ = ["FAMILIES", "Teacher", "label_names", "load_base", "load_teacher", "weights_path"]

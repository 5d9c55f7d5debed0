"""Resolve and load a teacher; one adapter file per family onto the canonical encoder."""

from compressor.teachers.loading import FAMILIES, Teacher, load_base, load_teacher, weights_path
from compressor.teachers.outputs import label_names, task_kind

__all__ = ["FAMILIES", "Teacher", "label_names", "load_base", "load_teacher", "task_kind", "weights_path"]

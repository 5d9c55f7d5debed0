"""Resolve and load a teacher; one adapter file per family onto the canonical encoder."""

from compressor.teachers.foreign import ForeignModel, ForeignTeacher
from compressor.teachers.loading import FAMILIES, Teacher, load_base, load_teacher, read_architecture, weights_path
from compressor.teachers.opening import open_teacher
from compressor.teachers.outputs import label_names, task_kind

__all__ = [
    "FAMILIES",
    "ForeignModel",
    "ForeignTeacher",
    "Teacher",
    "label_names",
    "load_base",
    "load_teacher",
    "open_teacher",
    "read_architecture",
    "task_kind",
    "weights_path",
]

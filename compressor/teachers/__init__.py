"""Resolve and load a teacher; one adapter file per family onto the canonical encoder."""

from compressor.teachers.foreign import ForeignModel, ForeignTeacher
from compressor.teachers.loading import (
    FAMILIES,
    Teacher,
    content_digest,
    load_base,
    load_teacher,
    read_architecture,
    read_config,
    weights_path,
)
from compressor.teachers.opening import open_teacher
from compressor.teachers.outputs import label_names, task_kind

__all__ = [
    "FAMILIES",
    "ForeignModel",
    "ForeignTeacher",
    "Teacher",
    "content_digest",
    "label_names",
    "load_base",
    "load_teacher",
    "open_teacher",
    "read_architecture",
    "read_config",
    "task_kind",
    "weights_path",
]

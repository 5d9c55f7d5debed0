"""A teacher's folder to a teacher: on the canonical encoder where its family has an adapter, else as it is."""

from pathlib import Path

from compressor.teachers.foreign import ForeignTeacher, load_foreign
from compressor.teachers.loading import FAMILIES, Teacher, load_teacher, read_config


def open_teacher(folder: Path) -> Teacher | ForeignTeacher:
    """Read a fine-tuned teacher of any family.

    Raises:
        InputError: It can be used neither with an adapter nor as it is.
    """
    family = read_config(folder).get("model_type")
    return load_teacher(folder) if family is None or family in FAMILIES else load_foreign(folder)

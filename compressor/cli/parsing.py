"""What is written in one flag: lists with commas, a name or a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from compressor.errors import InputError

if TYPE_CHECKING:
    from compressor.records.architecture import Precision
    from compressor.records.distillation import DistillRecipe


def parse_precisions(text: str) -> "tuple[Precision, ...]":
    """`int8,fp32` -> (fp32, int8): the least invasive first.

    Raises:
        InputError: A word that is no precision.
    """
    from compressor.records.architecture import Precision

    known = [str(precision) for precision in Precision]
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in known]:
        raise InputError(f"--precision: expected some of {', '.join(known)}, got {', '.join(unknown)}")
    return tuple(precision for precision in Precision if precision in words)


def parse_distill(text: str) -> "DistillRecipe":
    """`pkd-skip` -> that loss as its paper has it, `losses.yaml` -> what the file says.

    A file without that ending is read where no loss has its name.

    Raises:
        InputError: A file that is missing, not YAML, or no recipe.
        UnavailableError: Such a file, and what knows the losses is not installed.
    """
    from compressor.profiles.strict_yaml import read_strict_yaml
    from compressor.records.distillation import DistillRecipe, recipe_of

    path = Path(text)
    if path.suffix in (".yaml", ".yml") or (path.is_file() and not _is_loss(text)):
        return recipe_of(read_strict_yaml(path), where=f"--distill {path}")
    return DistillRecipe.named(text)


def _is_loss(name: str) -> bool:
    from compressor.api import load_pipeline

    load_pipeline()  # says what is not installed; only asked of what is a file, too
    from compressor.distill.objectives import OBJECTIVES

    return name in OBJECTIVES


def parse_lengths(text: str) -> tuple[int, ...]:
    """`128,16,16` -> (16, 128), in tokens.

    Raises:
        InputError: Something that is no whole number.
    """
    words = [word.strip() for word in text.split(",")]
    if wrong := [word for word in words if not (word.isascii() and word.isdigit())]:
        raise InputError(
            "--sequence-length: expected whole numbers with commas between them, such as 16,32, got "
            + ", ".join(map(repr, wrong))
        )
    return tuple(sorted({int(word) for word in words}))

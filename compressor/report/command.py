"""The command that gives a bundle again: out of a request, and as text for a shell."""

import shlex
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from compressor.records.distillation import DistillRecipe
from compressor.records.request import CompressRequest
from compressor.records.task import AGREEMENT

USUAL_OUTPUT = Path("bundle")
DISTILL, RECIPE = "--distill", "losses.yaml"


def command_words(request: CompressRequest, output: Path) -> tuple[str, ...]:
    """`compressor compress` with every option that is not a default.

    A recipe with parts left out and an assistant have no option: only a program can ask for them. Losses that are more
    than one name are in a file, see `command_text`.

    Args:
        request: With the names that were given, before they became folders of the cache.
        output: Folder of the bundle.

    Example:
        >>> command_words(CompressRequest("bert-base", "glue/sst2", seed=3), Path("bundle"))
        ('compressor', 'compress', '--teacher', 'bert-base', '--data', 'glue/sst2', '--seed', '3')
    """
    usual = _options(CompressRequest("", ""), USUAL_OUTPUT)
    options = [*_options(request, output).items(), *(("--start", folder) for folder in request.starts)]
    given = ((flag, value) for flag, value in options if value is not None and value != usual.get(flag))
    return ("compressor", "compress", *(word for option in given for word in option))


def shell_text(words: Sequence[str]) -> str:
    """Words as a shell takes them, quoted as `shlex.join` does, with every option on a line of its own."""
    parts = (("\\\n    " if word.startswith("--") else "") + shlex.quote(word) for word in words)
    return " ".join(parts)


def command_text(words: Sequence[str], losses: DistillRecipe | None) -> str:
    """Words as a shell takes them, and below them the file of losses that they name; empty without words."""
    if not words or losses is None or losses.is_name:
        return shell_text(words)
    path = words[words.index(DISTILL) + 1] if DISTILL in words else RECIPE
    return f"{shell_text(words)}\n\n# {path}\n{losses.in_yaml}"


def _options(request: CompressRequest, output: Path) -> dict[str, str | None]:
    """Every option that is given once, as on the command line; None = there is nothing to say."""
    budget, agreement = request.budget, request.metric == AGREEMENT
    drop = budget.max_accuracy_drop_points
    return {
        "--teacher": request.teacher,
        "--data": request.data,
        "--output": str(output),
        "--target": request.target,
        "--max-latency": _number(budget.max_latency_ms, "ms"),
        "--percentile": _number(budget.percentile),
        "--max-accuracy-drop": None if agreement else _number(drop),
        # Rounded, so that 100 - 98.3 and back is 98.3.
        "--min-agreement": _number(round(100 - drop, 9), "%") if agreement else None,
        "--max-size": _number(budget.max_size_bytes, "B"),
        "--batch": _number(request.batch),
        "--sequence-length": _number(request.sequence_length),
        "--threads": _number(request.threads),
        "--precision": ",".join(request.precisions),
        "--text-column": None if request.text_columns is None else ",".join(request.text_columns),
        "--label-column": request.label_column,
        "--task": request.task,
        "--metric": None if agreement else request.metric,
        "--eval-split": request.eval_split,
        "--search": request.search,
        DISTILL: None if request.distill is None else _losses(request.distill),
        "--time-budget": _number(request.time_budget_s, "s"),
        "--seed": _number(request.seed),
    }


def _losses(recipe: DistillRecipe) -> str:
    return recipe.terms[0].name if recipe.is_name else RECIPE


def _number(value: float | None, unit: str = "") -> str | None:
    """All digits and no exponent, which no option takes: 2.5 -> `2.5ms`, 4 -> `4`."""
    return None if value is None else f"{Decimal(str(value)).normalize():f}{unit}"

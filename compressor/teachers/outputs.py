"""What a `config.json` says about the outputs of a model: the kind of task, and their names."""

from collections.abc import Mapping
from typing import Any

from compressor.errors import InputError
from compressor.records.task import SCORE, TaskKind
from compressor.teachers.family import TOKEN_HEAD, require

REGRESSION = "regression"


def reads_tokens(config: Mapping[str, Any]) -> bool:
    """Whether the model was saved with a classifier that reads every token."""
    return any(str(name).endswith(TOKEN_HEAD) for name in config.get("architectures") or ())


def task_kind(config: Mapping[str, Any]) -> TaskKind:
    """Kind of task that a model was fine-tuned for.

    Raises:
        InputError: Another kind than those that can be compressed, or a regression with several outputs.
    """
    if reads_tokens(config):
        return "token-classification"
    require(config, "problem_type", (None, REGRESSION, "single_label_classification"))
    labels = len(label_names(config))
    if config.get("problem_type") != REGRESSION:
        return "regression" if labels == 1 else "text-classification"
    if labels != 1:
        raise InputError(
            f"the teacher's config.json has problem_type = {REGRESSION!r} and {labels} labels; expected one: "
            "a regression has one output here"
        )
    return "regression"


def label_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs, in the order of their ids; `id2label`, else as many numbers as `num_labels` says.

    A single output without a name of its own is called "score".
    """
    named = config.get("id2label")
    if isinstance(named, Mapping) and named:
        names = tuple(str(named[key]) for key in sorted(named, key=int))
    else:
        names = tuple(str(index) for index in range(int(config.get("num_labels", 2))))
    return (SCORE,) if names in (("LABEL_0",), ("0",)) else names

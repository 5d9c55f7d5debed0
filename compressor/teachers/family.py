"""What an adapter of a model family has to say: the shape of its config and the names of its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compressor.errors import InputError
from compressor.records.architecture import Architecture
from compressor.records.task import TaskKind

# How the classes of `transformers` end; a regression is a sequence classification with one output there.
SEQUENCE_HEAD, TOKEN_HEAD = "ForSequenceClassification", "ForTokenClassification"


@dataclass(frozen=True)
class Family:
    """One family of checkpoints.

    Attributes:
        name: `model_type` in its config.json.
        prefix: Of the names of its encoder's weights; checkpoints without a head leave it out.
        class_prefix: Of its classes in `transformers`.
        architecture: (config, classes) -> canonical architecture; raises InputError where that cannot be.
        names: architecture -> canonical parameter name to the checkpoint's; several may take the same one.
        convert: Checkpoint's weights by canonical name, as they are -> as the canonical encoder has them.
        revert: The way back; what `convert` folded together stays folded.
        depth_field: Name of the number of layers in config.json.
        width_field: Name of the number of neurons.
    """

    name: str
    prefix: str
    class_prefix: str
    architecture: Callable[[Mapping[str, Any], int], Architecture]
    names: Callable[[Architecture], dict[str, str]]
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda weights: weights
    revert: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda weights: weights
    depth_field: str = "num_hidden_layers"
    width_field: str = "intermediate_size"

    def model_class(self, kind: TaskKind) -> str:
        """Class of `transformers` that has it with the head of a kind of task: `BertForTokenClassification`."""
        return self.class_prefix + (TOKEN_HEAD if kind == "token-classification" else SEQUENCE_HEAD)


def require(config: Mapping[str, Any], field: str, allowed: tuple[object, ...]) -> None:
    """Refuse a config value that the canonical encoder cannot express.

    Raises:
        InputError: The field has another value than those allowed.
    """
    value = config.get(field)
    if value not in allowed:
        known = ", ".join(repr(a) for a in allowed if a is not None)
        raise InputError(f"the teacher's config.json has {field} = {value!r}; supported: {known}")

"""Teachers of families without an adapter: what `transformers` loads, exported as it is.

Such a teacher can be compiled and quantised. It cannot be cut: only the canonical encoder knows which weights are a
head, a neuron or a layer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from compressor.errors import InputError
from compressor.records.task import TaskKind
from compressor.teachers.exporting import export_graph, first_line, quiet
from compressor.teachers.family import SEQUENCE_HEAD
from compressor.teachers.inputs import input_names
from compressor.teachers.loading import FAMILIES, content_digest, read_config, weights_path
from compressor.teachers.outputs import label_names


class ForeignModel(nn.Module):
    """A model of `transformers` with the face of an `Encoder`.

    Args:
        model: With a classifier, in float32 and evaluation mode.
        family: Its `model_type`.
        inputs: Names of its inputs, in order.
        max_length: Its longest input, in tokens.
    """

    def __init__(self, model: nn.Module, family: str, inputs: tuple[str, ...], max_length: int) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.inputs = inputs
        self.max_length = max_length
        self._graph: onnx.ModelProto | None = None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits [batch, classes] of `self.inputs`, int64 [batch, length] each."""
        named = dict(zip(self.inputs, inputs, strict=True))
        logits: Tensor = self.model(**named, return_dict=True).logits
        return logits

    def emit(self) -> onnx.ModelProto:
        """A copy of the model in ONNX, float32, any batch and any length up to `max_length`.

        It is exported once, which takes seconds.

        Raises:
            InputError: PyTorch cannot export it.
            UnavailableError: The exporter's library is not installed.
        """
        if self._graph is None:
            try:
                self._graph = export_graph(self, self.inputs, max_length=self.max_length)
            except InputError as error:
                raise without_adapter(self.family, str(error)) from error
        copy = onnx.ModelProto()
        copy.CopyFrom(self._graph)
        return copy


@dataclass(frozen=True)
class ForeignTeacher:
    """A fine-tuned teacher without an adapter; has what a `Teacher` has, but for a family and an architecture.

    Attributes:
        folder: Where it was read from; also holds its tokenizer files.
        config: Its config.json.
        label_names: Index = class id; one = a regression.
        encoder: Its model, in evaluation mode.
        pad_id: Token id of padding.
        digest: SHA-256 of its config and weights.
    """

    folder: Path
    config: dict[str, Any]
    label_names: tuple[str, ...]
    encoder: ForeignModel
    pad_id: int
    digest: str

    @property
    def architecture(self) -> None:
        """None: it has no shape in which it could be cut."""
        return None

    @property
    def max_length(self) -> int:
        """The longest input, in tokens."""
        return self.encoder.max_length

    @property
    def kind(self) -> TaskKind:
        """What it was trained for."""
        return "regression" if len(self.label_names) == 1 else "text-classification"


def load_foreign(folder: Path) -> ForeignTeacher:
    """Read a fine-tuned teacher of any family that `transformers` knows.

    Nothing in the folder is executed: code beside the weights is refused, and weights are read as tensors only.

    Raises:
        InputError: `transformers` cannot load it, it is no sequence classifier, its classifier is missing, its weights
            are not finite, or it takes no attention mask.
    """
    config = read_config(folder)
    family = str(config.get("model_type"))
    _check_head(config, family)
    weights_path(folder)  # says what is expected where there are none
    model = _load_model(folder, family)
    inputs = input_names(model)
    if inputs[:2] != ("input_ids", "attention_mask"):
        raise without_adapter(family, "its model takes no attention_mask, so its answer depends on the padding")
    encoder = ForeignModel(model, family, inputs, _max_length(model, family)).eval()
    pad_id = int(model.config.pad_token_id or 0)
    return ForeignTeacher(folder, config, label_names(config), encoder, pad_id, content_digest(folder))


def without_adapter(family: str, why: str) -> InputError:
    """The error for a teacher that can be used neither with an adapter nor without."""
    return InputError(
        f"--teacher: the family {family!r} is not supported, and cannot be compiled as it is: {why}; supported: "
        f"{', '.join(FAMILIES)}"
    )


def _check_head(config: dict[str, Any], family: str) -> None:
    named = config.get("architectures") or []
    if named and not str(named[0]).endswith(SEQUENCE_HEAD):
        raise without_adapter(
            family, f"expected a model {SEQUENCE_HEAD}, found {named[0]} (fine-tune it for that first)"
        )


def _load_model(folder: Path, family: str) -> Any:
    from transformers import AutoModelForSequenceClassification

    try:
        with quiet():
            model, found = AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                attn_implementation="eager",  # the form of attention that every runtime and pass knows
                output_loading_info=True,
            )
    except Exception as error:  # whatever the family's code meets in a config or in weights that do not fit it
        raise without_adapter(family, f"transformers cannot load {folder} ({first_line(error)})") from error
    if missing := sorted(found["missing_keys"]):
        raise without_adapter(
            family, f"{folder} lacks {len(missing)} weights, the first is {missing[0]} (fine-tune the model first)"
        )
    for name, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise without_adapter(family, f"{name} in {folder} holds values that are not finite")
    return model


def _max_length(model: Any, family: str) -> int:
    """Rows of the position table, less those that the family skips (RoBERTa and its kin begin behind padding's)."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        raise without_adapter(family, "its config.json does not say how long an input may be")
    skipped = [
        table.padding_idx + 1
        for name, table in model.named_modules()
        if name.endswith("position_embeddings") and getattr(table, "padding_idx", None) is not None
    ]
    return positions - max(skipped, default=0)

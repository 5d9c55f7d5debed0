"""A canonical encoder back to a folder that `transformers` loads, where it still is of its family."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from compressor.encoder import Encoder
from compressor.errors import InputError
from compressor.records.task import TaskKind
from compressor.tasks.tokenizer import TOKENIZER_FILES
from compressor.teachers.family import Family

# What `transformers` calls the task of a model that reads the first token.
PROBLEM_TYPES: dict[TaskKind, str] = {
    "text-classification": "single_label_classification",
    "regression": "regression",
}


def save_teacher(
    encoder: Encoder,
    family: Family,
    config: Mapping[str, Any],
    label_names: tuple[str, ...],
    *,
    tokenizer: Path,
    folder: Path,
) -> None:
    """Write config.json, model.safetensors and the tokenizer files.

    Args:
        encoder: Weights; layers may be missing and neurons cut evenly.
        family: Whose names the weights get.
        config: Of the model that it comes from.
        label_names: Index = class id; of a regression, the name of the score.
        tokenizer: Folder with the tokenizer files.
        folder: Made if it is not there.

    Raises:
        InputError: The family has no config for these widths.
    """
    neurons = fitting_neurons(encoder, heads=_heads(config))
    weights = family.revert({name: tensor.detach().float().clone() for name, tensor in encoder.state_dict().items()})
    names = family.names(encoder.architecture)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {theirs: weights[ours].contiguous() for ours, theirs in names.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    kind = encoder.architecture.kind
    changed = {
        **{field: value for field, value in config.items() if field != "num_labels"},  # id2label says it
        "architectures": [family.model_class(kind)],
        "problem_type": PROBLEM_TYPES.get(kind),
        family.depth_field: len(encoder.layers),
        family.width_field: neurons,
        "id2label": {str(index): name for index, name in enumerate(label_names)},
        "label2id": {name: index for index, name in enumerate(label_names)},
    }
    (folder / "config.json").write_text(json.dumps(changed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (tokenizer / name).exists():
            shutil.copyfile(tokenizer / name, folder / name)


def fitting_neurons(encoder: Encoder, *, heads: int) -> int:
    """Neurons of every layer of an encoder that is still of its family.

    Raises:
        InputError: Layers differ, or heads were cut: no config.json says that.
    """
    found = {(layer.heads, layer.neurons) for layer in encoder.architecture.layers}
    if len(found) != 1 or next(iter(found))[0] != heads or next(iter(found))[1] == 0:
        raise InputError(
            f"only models with all {heads} heads and the same number of neurons in every layer are models of their "
            f"family; this one has heads/neurons {sorted(found)}: use the ONNX bundle instead"
        )
    return next(iter(found))[1]


def _heads(config: Mapping[str, Any]) -> int:
    return int(config["num_attention_heads"] if "num_attention_heads" in config else config["n_heads"])

"""config.json of a student, in the words of its teacher's family.

What `transformers` has one number for, and a student one per layer, is that of the widest layer. A stack of cells has
neither heads nor neurons: they are 0 there, since where they are left out `transformers` fills in those of BERT-base.
Cells are its layers, which are "the number of blocks" to `transformers`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from compressor.records.architecture import Architecture

# Names of one number in config.json: of most families, and of DistilBERT.
LAYERS, HIDDEN = ("num_hidden_layers", "n_layers"), ("hidden_size", "dim")
HEADS, NEURONS = ("num_attention_heads", "n_heads"), ("intermediate_size", "hidden_dim")
ACTIVATION, EMBEDDING = ("hidden_act", "activation"), ("embedding_size",)


def student_config(config: Mapping[str, Any], shape: Architecture) -> dict[str, Any]:
    """The teacher's config with the student's sizes; labels, tokens and `model_type` stay as they are.

    Args:
        config: Of the teacher. Fields that it does not have are not made.
        shape: Of the student.
    """
    changed = {name: value for names, value in _sizes(shape) for name in names if name in config}
    return {**config, **changed}


def _sizes(shape: Architecture) -> Iterator[tuple[tuple[str, ...], int | str]]:
    yield LAYERS, shape.cells.stacked if shape.cells else len(shape.layers)
    yield HIDDEN, shape.hidden
    yield HEADS, max((layer.heads for layer in shape.layers), default=0)
    yield NEURONS, max((layer.neurons for layer in shape.layers), default=0)
    yield ACTIVATION, shape.activation
    yield EMBEDDING, shape.embedding or shape.hidden

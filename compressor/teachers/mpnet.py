"""MPNet (Song et al. 2020) onto the canonical encoder: no token types, positions from 2, a bias on relative positions.

The bias table is one for all layers there; here each layer gets a copy, because each may keep other heads.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from compressor.records.architecture import Architecture
from compressor.teachers import bert
from compressor.teachers.family import Family
from compressor.teachers.naming import DENSE_HEAD, head_modules, layer_modules, parameters, tables

FIRST_POSITION = 2
POSITION = "embeddings.position.weight"
_LAYER = {
    "attention.query": "attention.attn.q",
    "attention.key": "attention.attn.k",
    "attention.value": "attention.attn.v",
    "attention.output": "attention.attn.o",
    "attention.norm": "attention.LayerNorm",
    "feed_forward.inner": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "feed_forward.norm": "output.LayerNorm",
}


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` describes.

    Raises:
        InputError: A value that the canonical encoder cannot express.
        KeyError: A field is missing.
    """
    shape = bert.architecture(config, classes)
    return replace(
        shape,
        positions=shape.positions - FIRST_POSITION,
        token_types=0,
        relative_buckets=int(config.get("relative_attention_num_buckets", 32)),
    )


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint."""
    modules = {
        "embeddings.norm": "mpnet.embeddings.LayerNorm",
        **head_modules(shape, DENSE_HEAD),
        **layer_modules("mpnet.encoder.layer", len(shape.layers), _LAYER),
    }
    shared = "mpnet.encoder.relative_attention_bias.weight"
    biases = {f"layers.{index}.attention.relative.table.weight": shared for index in range(len(shape.layers))}
    return parameters(modules) | tables("mpnet.embeddings", "word", "position") | biases


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cut the unused positions off."""
    return {**weights, POSITION: weights[POSITION][FIRST_POSITION:]}


def revert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put unused positions in front again."""
    return {**weights, POSITION: functional.pad(weights[POSITION], (0, 0, FIRST_POSITION, 0))}


MPNET = Family("mpnet", "mpnet", "MPNet", architecture, names, convert, revert)

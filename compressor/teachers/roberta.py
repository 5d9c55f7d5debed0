"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT onto the canonical encoder.

Two things differ from BERT. Positions count from padding_idx + 1 = 2, so the first two rows of the table are never
used. And there is one token type, whose row is added to every token: it is folded into the position table, and the
input `token_type_ids` is gone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from compressor.records.architecture import Architecture
from compressor.teachers import bert
from compressor.teachers.family import Family, require
from compressor.teachers.naming import BERT_LAYER, DENSE_HEAD, head_modules, layer_modules, parameters, tables

FIRST_POSITION = 2
POSITION, TOKEN_TYPE = "embeddings.position.weight", "embeddings.token_type.weight"


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` describes.

    Raises:
        InputError: A value that the canonical encoder cannot express.
        KeyError: A field is missing.
    """
    require(config, "type_vocab_size", (1,))
    require(config, "pad_token_id", (FIRST_POSITION - 1,))
    shape = bert.architecture(config, classes)
    return replace(shape, positions=shape.positions - FIRST_POSITION, token_types=0)


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint; `embeddings.type` is folded away by `convert`."""
    modules = {
        "embeddings.norm": "roberta.embeddings.LayerNorm",
        **head_modules(shape, DENSE_HEAD),
        **layer_modules("roberta.encoder.layer", len(shape.layers), BERT_LAYER),
    }
    return parameters(modules) | tables("roberta.embeddings", "word", "position", "token_type")


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cut the unused positions off and fold the one token type into the others."""
    folded = dict(weights)
    only_type = folded.pop(TOKEN_TYPE)
    folded[POSITION] = folded[POSITION][FIRST_POSITION:] + only_type[0]
    return folded


def revert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put unused positions in front again; the one token type stays folded into the others and is zero itself."""
    position = functional.pad(weights[POSITION], (0, 0, FIRST_POSITION, 0))
    return {**weights, POSITION: position, TOKEN_TYPE: torch.zeros(1, position.shape[1])}


_PARTS = (architecture, names, convert, revert)
ROBERTA = Family("roberta", "roberta", "Roberta", *_PARTS)
XLM_ROBERTA = Family("xlm-roberta", "roberta", "XLMRoberta", *_PARTS)
CAMEMBERT = Family("camembert", "roberta", "Camembert", *_PARTS)

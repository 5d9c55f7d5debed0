"""ELECTRA (Clark et al. 2020) onto the canonical encoder: narrow embeddings with a projection, a GELU in the head."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compressor.records.architecture import Architecture
from compressor.teachers import bert
from compressor.teachers.family import Family
from compressor.teachers.naming import BERT_LAYER, DENSE_HEAD, head_modules, layer_modules, parameters, tables


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` describes.

    Raises:
        InputError: A value that the canonical encoder cannot express.
        KeyError: A field is missing.
    """
    shape, width = bert.architecture(config, classes), int(config["embedding_size"])
    return replace(shape, embedding=None if width == shape.hidden else width, head_activation="gelu")


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint."""
    modules = {
        "embeddings.norm": "electra.embeddings.LayerNorm",
        **({"embeddings.projection": "electra.embeddings_project"} if shape.embedding else {}),
        **head_modules(shape, DENSE_HEAD),
        **layer_modules("electra.encoder.layer", len(shape.layers), BERT_LAYER),
    }
    return parameters(modules) | tables("electra.embeddings", "word", "position", "token_type")


ELECTRA = Family("electra", "electra", "Electra", architecture, names)

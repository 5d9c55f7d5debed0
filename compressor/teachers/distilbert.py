"""DistilBERT (Sanh et al. 2019) onto the canonical encoder: no token types, a ReLU in the head, names of its own."""

from collections.abc import Mapping
from typing import Any

from compressor.records.architecture import Architecture, Layer
from compressor.teachers.family import Family, require
from compressor.teachers.naming import head_modules, layer_modules, parameters, tables

_LAYER = {
    "attention.query": "attention.q_lin",
    "attention.key": "attention.k_lin",
    "attention.value": "attention.v_lin",
    "attention.output": "attention.out_lin",
    "attention.norm": "sa_layer_norm",
    "feed_forward.inner": "ffn.lin1",
    "feed_forward.output": "ffn.lin2",
    "feed_forward.norm": "output_layer_norm",
}
NORM_EPSILON = 1e-12  # fixed in the model, not in its config


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` describes.

    Raises:
        InputError: A value that the canonical encoder cannot express.
        KeyError: A field is missing.
    """
    require(config, "activation", ("gelu", "relu"))
    hidden, heads = int(config["dim"]), int(config["n_heads"])
    return Architecture(
        layers=(Layer(heads=heads, neurons=int(config["hidden_dim"])),) * int(config["n_layers"]),
        hidden=hidden,
        head_size=hidden // heads,
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        token_types=0,
        classes=classes,
        activation=config["activation"],
        norm_epsilon=NORM_EPSILON,
        head_activation="relu",
    )


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint."""
    modules = {
        "embeddings.norm": "distilbert.embeddings.LayerNorm",
        **head_modules(shape, {"head.pooler": "pre_classifier", "head.classifier": "classifier"}),
        **layer_modules("distilbert.transformer.layer", len(shape.layers), _LAYER),
    }
    return parameters(modules) | tables("distilbert.embeddings", "word", "position")


DISTILBERT = Family(
    "distilbert",
    "distilbert",
    "DistilBert",
    architecture,
    names,
    depth_field="n_layers",
    width_field="hidden_dim",
)

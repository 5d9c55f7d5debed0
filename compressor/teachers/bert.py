"""BERT (Devlin et al. 2019) onto the canonical encoder; MiniLM checkpoints are of this family too."""

from collections.abc import Mapping
from typing import Any

from compressor.records.architecture import Architecture, Layer
from compressor.teachers.family import Family, require
from compressor.teachers.naming import BERT_LAYER, head_modules, layer_modules, parameters, tables


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` of BERT describes; the fields are those of RoBERTa, ELECTRA and MPNet too.

    Raises:
        InputError: A value that the canonical encoder cannot express.
        KeyError: A field is missing.
    """
    require(config, "hidden_act", ("gelu", "relu"))
    require(config, "position_embedding_type", ("absolute", None))
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    layer = Layer(heads=heads, neurons=int(config["intermediate_size"]))
    return Architecture(
        layers=(layer,) * int(config["num_hidden_layers"]),
        hidden=hidden,
        head_size=hidden // heads,
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        token_types=int(config.get("type_vocab_size", 0)),
        classes=classes,
        activation=config["hidden_act"],
        norm_epsilon=float(config["layer_norm_eps"]),
    )


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint of BERT."""
    modules = {
        "embeddings.norm": "bert.embeddings.LayerNorm",
        **head_modules(shape, {"head.pooler": "bert.pooler.dense", "head.classifier": "classifier"}),
        **layer_modules("bert.encoder.layer", len(shape.layers), BERT_LAYER),
    }
    return parameters(modules) | tables("bert.embeddings", "word", "position", "token_type")


BERT = Family("bert", "bert", "Bert", architecture, names)

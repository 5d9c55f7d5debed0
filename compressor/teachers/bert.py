"""BERT (Devlin et al. 2019) onto the canonical encoder; MiniLM checkpoints are of this family too."""

from collections.abc import Mapping
from typing import Any

from compressor.records.architecture import Architecture, Layer
from compressor.teachers.family import Family, require

_LAYER = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm",
    "feed_forward.inner": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "feed_forward.norm": "output.LayerNorm",
}


def architecture(config: Mapping[str, Any], classes: int) -> Architecture:
    """The shape that a `config.json` of this family describes.

    Raises:
        InputError: A field is missing, or has a value that the canonical encoder cannot express.
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
        token_types=int(config["type_vocab_size"]),
        classes=classes,
        activation=config["hidden_act"],
        norm_epsilon=float(config["layer_norm_eps"]),
    )


def names(shape: Architecture) -> dict[str, str]:
    """Canonical parameter name -> name in a checkpoint of this family."""
    modules = {
        "embeddings.norm": "bert.embeddings.LayerNorm",
        "head.pooler": "bert.pooler.dense",
        "head.classifier": "classifier",
    }
    for index in range(len(shape.layers)):
        layer = f"bert.encoder.layer.{index}"
        modules |= {f"layers.{index}.{ours}": f"{layer}.{theirs}" for ours, theirs in _LAYER.items()}
    parameters = {f"{a}.{part}": f"{b}.{part}" for a, b in modules.items() for part in ("weight", "bias")}
    tables = {"word": "word", "position": "position", "token_type": "token_type"}
    return parameters | {
        f"embeddings.{ours}.weight": f"bert.embeddings.{theirs}_embeddings.weight" for ours, theirs in tables.items()
    }


BERT = Family(name="bert", architecture=architecture, names=names)

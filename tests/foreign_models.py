"""Small models of families without an adapter, with random weights, as `transformers` saves them."""

import warnings
from pathlib import Path
from typing import Any

import torch
from tiny import LABELS, SHAPE

SMALL = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
    "intermediate_size": 48,
    "vocab_size": SHAPE.vocabulary,
    "max_position_embeddings": 40,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("Albert", {**SMALL, "embedding_size": 16, "num_hidden_layers": 2}),  # both have the same weights
    "deberta-v2": (
        "DebertaV2",
        {
            **SMALL,
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "mobilebert": ("MobileBert", {**SMALL, "embedding_size": 16, "intra_bottleneck_size": 16}),
    # Its products are convolutions: nothing that is quantised.
    "squeezebert": ("SqueezeBert", {**SMALL, "embedding_size": 32}),
    # Positions counted from behind padding's, as in RoBERTa.
    "data2vec-text": ("Data2VecText", {**SMALL, "pad_token_id": 1, "type_vocab_size": 1}),
    # Would take token types for tokens.
    "gpt2": (
        "GPT2",
        {
            "n_embd": 32,
            "n_layer": 1,
            "n_head": 4,
            "n_positions": 40,
            "vocab_size": SHAPE.vocabulary,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "pad_token_id": 0,
        },
    ),
}


def saved(name: str, folder: Path, *, labels: tuple[str, ...] = LABELS, **changes: Any) -> Any:
    """A model of a family with random weights, biases and norms too, saved to a folder."""
    import transformers

    prefix, fields = CASES[name]
    ids = dict(enumerate(labels))
    names = {"id2label": ids, "label2id": {label: index for index, label in ids.items()}}
    with warnings.catch_warnings():  # DeBERTa's code in transformers 4 uses what torch 2.13 calls deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        make = getattr(transformers, f"{prefix}ForSequenceClassification")
    config = getattr(transformers, f"{prefix}Config")(**{**fields, **changes}, **names)
    torch.manual_seed(7)
    model = make(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model

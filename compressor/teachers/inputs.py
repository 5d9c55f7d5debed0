"""Which inputs a model of `transformers` is given."""

from inspect import signature
from typing import Any

from compressor.encoder import INPUTS


def input_names(model: Any) -> tuple[str, ...]:
    """Those of `INPUTS` that a model of `transformers` takes, in order.

    Token types are left out where its config has no table of at least two: without them such a model answers the same,
    or, like GPT-2, takes them for tokens that its tokenizer never gives.
    """
    accepted = signature(model.forward).parameters
    types = getattr(model.config, "type_vocab_size", None) or 0
    return tuple(name for name in INPUTS if name in accepted and (name != "token_type_ids" or types > 1))

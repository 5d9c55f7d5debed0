"""Small random models of every family, as transformers saves them."""

from pathlib import Path
from typing import Any, get_args

import torch

from compressor.records.task import TaskKind

BERT_LIKE = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 48,
    "vocab_size": 120,
    "hidden_act": "gelu",
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {**BERT_LIKE, "max_position_embeddings": 40}),
    "roberta": ("Roberta", {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}),
    "xlm-roberta": (
        "XLMRoberta",
        {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1},
    ),
    "camembert": ("Camembert", {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": (
        "DistilBert",
        {
            "dim": 32,
            "n_heads": 4,
            "n_layers": 3,
            "hidden_dim": 48,
            "vocab_size": 120,
            "max_position_embeddings": 40,
        },
    ),
    "electra": ("Electra", {**BERT_LIKE, "embedding_size": 16, "max_position_embeddings": 40}),
    "mpnet": ("MPNet", {**BERT_LIKE, "max_position_embeddings": 42, "pad_token_id": 1}),
}
KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
LABELS = {"text-classification": ("a", "b", "c"), "regression": ("score",), "token-classification": ("O", "B", "I")}


def saved(name: str, folder: Path, kind: TaskKind = "text-classification", **changes: Any) -> Any:
    """A model of a family with random weights, biases and norms too, saved to a folder."""
    import transformers

    prefix, fields = CASES[name]
    torch.manual_seed(7)
    labels = {"num_labels": len(LABELS[kind])}
    config = getattr(transformers, f"{prefix}Config")(**{**fields, **labels, **changes})
    head = "ForTokenClassification" if kind == "token-classification" else "ForSequenceClassification"
    model = getattr(transformers, f"{prefix}{head}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model

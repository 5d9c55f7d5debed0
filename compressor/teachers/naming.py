"""Checkpoint names that several families share."""

from compressor.records.architecture import Architecture

# Of the layers of BERT, RoBERTa and ELECTRA: canonical module -> theirs.
BERT_LAYER = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm",
    "feed_forward.inner": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "feed_forward.norm": "output.LayerNorm",
}
# Of the classification heads of RoBERTa, ELECTRA and MPNet.
DENSE_HEAD = {"head.pooler": "classifier.dense", "head.classifier": "classifier.out_proj"}


def head_modules(shape: Architecture, pooled: dict[str, str]) -> dict[str, str]:
    """Canonical modules of the head -> theirs.

    Args:
        shape: Says which head it is.
        pooled: Of the head on the first token; the one that reads every token has the same name in all families.
    """
    return {"head.classifier": "classifier"} if shape.per_token else pooled


def layer_modules(prefix: str, count: int, names: dict[str, str]) -> dict[str, str]:
    """Canonical modules of all layers -> theirs; layer i of the checkpoint is `{prefix}.{i}`."""
    return {f"layers.{i}.{ours}": f"{prefix}.{i}.{theirs}" for i in range(count) for ours, theirs in names.items()}


def parameters(modules: dict[str, str]) -> dict[str, str]:
    """Weight and bias of every module."""
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in modules.items() for part in ("weight", "bias")}


def tables(prefix: str, *names: str) -> dict[str, str]:
    """Embedding tables: `word` -> `{prefix}.word_embeddings.weight`."""
    return {f"embeddings.{name}.weight": f"{prefix}.{name}_embeddings.weight" for name in names}

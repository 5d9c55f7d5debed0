"""Checkpoint names that several families share."""

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


def layer_modules(prefix: str, count: int, names: dict[str, str]) -> dict[str, str]:
    """Canonical modules of all layers -> theirs; layer i of the checkpoint is `{prefix}.{i}`."""
    return {f"layers.{i}.{ours}": f"{prefix}.{i}.{theirs}" for i in range(count) for ours, theirs in names.items()}


def parameters(modules: dict[str, str]) -> dict[str, str]:
    """Weight and bias of every module."""
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in modules.items() for part in ("weight", "bias")}


def tables(prefix: str, *names: str) -> dict[str, str]:
    """Embedding tables: `word` -> `{prefix}.word_embeddings.weight`."""
    return {f"embeddings.{name}.weight": f"{prefix}.{name}_embeddings.weight" for name in names}

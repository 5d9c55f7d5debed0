"""The forward pass once more, in plain numpy float64, from the state dict alone: no shortcut, every position computed.

Written from the formulas (Vaswani et al. 2017, Devlin et al. 2019), sharing no code with the package.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from compressor.encoder import Encoder

F64 = NDArray[np.float64]


class NumpyEncoder:
    """Logits of an encoder's weights."""

    def __init__(self, encoder: Encoder) -> None:
        self.shape = encoder.architecture
        self.weights = {name: tensor.numpy().astype(np.float64) for name, tensor in encoder.state_dict().items()}

    def logits(self, batch: dict[str, NDArray[np.int64]]) -> F64:
        """[batch, classes], of a per-token model [batch, length, classes]."""
        x = self.hidden_states(batch)
        if self.shape.per_token:
            return self._linear(x, "head.classifier")
        pooled = np.tanh(self._linear(x[:, 0], "head.pooler"))
        return self._linear(pooled, "head.classifier")

    def hidden_states(self, batch: dict[str, NDArray[np.int64]]) -> F64:
        """After the last layer, [batch, length, hidden]."""
        w = self.weights
        ids, types = batch["input_ids"], batch["token_type_ids"]
        x = w["embeddings.word.weight"][ids] + w["embeddings.token_type.weight"][types]
        x = x + w["embeddings.position.weight"][np.arange(ids.shape[1])]
        x = self._norm(x, "embeddings.norm")
        real = batch["attention_mask"].astype(bool)
        for index, layer in enumerate(self.shape.layers):
            name = f"layers.{index}"
            if layer.heads:
                x = self._norm(
                    x + self._attention(x, real, layer.heads, f"{name}.attention"), f"{name}.attention.norm"
                )
            if layer.neurons:
                inner = self._activate(self._linear(x, f"{name}.feed_forward.inner"))
                x = self._norm(x + self._linear(inner, f"{name}.feed_forward.output"), f"{name}.feed_forward.norm")
        return x

    def _attention(self, x: F64, real: NDArray[np.bool_], heads: int, name: str) -> F64:
        size = self.shape.head_size
        q, k, v = (self._linear(x, f"{name}.{part}") for part in ("query", "key", "value"))
        merged = np.empty_like(q)
        for row in range(x.shape[0]):
            for head in range(heads):
                columns = slice(head * size, (head + 1) * size)
                scores = q[row, :, columns] @ k[row, :, columns].T / np.sqrt(size)
                scores[:, ~real[row]] = -np.inf
                weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
                weights /= weights.sum(axis=-1, keepdims=True)
                merged[row, :, columns] = weights @ v[row, :, columns]
        return self._linear(merged, f"{name}.output")

    def _activate(self, x: F64) -> F64:
        return np.maximum(x, 0) if self.shape.activation == "relu" else x * 0.5 * (1 + erf(x / np.sqrt(2)))

    def _linear(self, x: F64, name: str) -> F64:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, x: F64, name: str) -> F64:
        normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + self.shape.norm_epsilon)
        return normed * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

"""Small random encoders and inputs, made from a seed: shared by the tests of several packages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.encoder import INPUTS, Encoder
from compressor.records.architecture import Architecture, Layer

Batch = dict[str, NDArray[np.int64]]


def tiny(*layers: tuple[int, int], **changes: Any) -> Architecture:
    """`tiny((2, 32), (0, 16))`: an architecture of these (heads, neurons)."""
    sizes = {"hidden": 16, "head_size": 8, "vocabulary": 50, "positions": 12, "token_types": 2, "classes": 3}
    return Architecture(tuple(Layer(*layer) for layer in layers), **{**sizes, **changes})


def random_encoder(shape: Architecture, seed: int = 0) -> Encoder:
    """An encoder with every parameter random, the norms' too, in evaluation mode."""
    encoder = Encoder(shape).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            scale = 0.4 if parameter.ndim == 1 else parameter.shape[1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            if parameter.ndim == 1:
                parameter.add_(0.7)  # a norm's weight of 1 or a bias of 0 would hide that it is not applied
    return encoder


def masked_batch(shape: Architecture, lengths: tuple[int, ...] = (7, 3, 1, 5), seed: int = 0) -> Batch:
    """Rows of these lengths, padded to the longest, with both token types."""
    random = np.random.default_rng(seed)
    size = (len(lengths), max(lengths))
    mask = (np.arange(size[1]) < np.array(lengths)[:, None]).astype(np.int64)
    ids = random.integers(0, shape.vocabulary, size)
    types = random.integers(0, max(shape.token_types, 1), size)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


@contextmanager
def scaled_units(encoder: Encoder, factors: Sequence[Tensor | None]) -> Iterator[None]:
    """Multiply what output projections read, attention and feed-forward of every layer in turn.

    `factors`: [heads] or [neurons] each; None = as it is.
    """
    with ExitStack() as hooks:
        for part, factor in zip(encoder.parts, factors, strict=True):
            if part is not None and factor is not None:
                columns = factor.repeat_interleave(part.output.in_features // len(factor))
                hook = part.output.register_forward_pre_hook(lambda _, read, by=columns: (read[0] * by,))
                hooks.callback(hook.remove)
        yield


def torch_logits(encoder: Encoder, batch: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    """Logits of the torch module, [batch, classes] or [batch, length, classes]."""
    with torch.inference_mode():
        logits: NDArray[np.float32] = encoder(*(torch.from_numpy(batch[name]) for name in INPUTS)).numpy()
    return logits


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """For a test that still needs the model after a pass, which works in place."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def onnx_logits(
    model: onnx.ModelProto, batch: Mapping[str, NDArray[np.int64]], *, optimise: bool = False
) -> NDArray[np.float32]:
    """Logits of a graph in ONNX Runtime; its own optimiser is off unless it is what is looked at."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    if not optimise:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run(None, {node.name: batch[node.name] for node in session.get_inputs()})[0]
    return logits

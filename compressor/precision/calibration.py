"""Ranges of a graph's activations on text."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from compressor.precision.int8_static import quantised_inputs
from compressor.precision.ranges import METHODS, Histogram, Range
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.tasks.tokens import Tokens

ROWS = 200  # more move no range by a level's width
SEED = 0


def measured_ranges(
    model: onnx.ModelProto, tokens: Tokens, *, pad_id: int, method: str = "percentile"
) -> dict[str, Range]:
    """Ranges of all activations that are quantised.

    Args:
        model: In float32; it is spent.
        tokens: Some rows of them are run one at a time, so that padding is in no range.
        pad_id: Token id of padding.
        method: A key of `METHODS`.
    """
    names = quantised_inputs(model)
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    engine = onnxruntime_cpu.compile_model(model.SerializeToString(), CompileOptions(1))
    histograms = {name: Histogram() for name in names}
    for row in _drawn(len(tokens)):
        feeds = tokens.padded([row], pad_id)
        outputs = engine.run_all({name: feeds[name] for name in engine.inputs})
        for name, histogram in histograms.items():
            histogram.add(outputs[name])
    return {name: METHODS[method](histogram) for name, histogram in histograms.items()}


def _drawn(rows: int) -> NDArray[np.int64]:
    """Evenly from all of them: files are often sorted by class or source."""
    return np.sort(np.random.default_rng(SEED).permutation(rows)[:ROWS])

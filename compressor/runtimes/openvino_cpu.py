"""OpenVINO on the CPU: norms, activations and quantising are fused into the products, if the shapes are known.

A graph that is compiled for one shape was measured as 10 to 25 % faster than ONNX Runtime's int8, one of unknown
shapes as no faster (benchmarks/log.md). So an engine is compiled for the shapes that its options name, shorter inputs
are padded up to the next of them, and anything else goes to one compiled for any shape. Without named shapes the first
few that occur get an engine each, which is what measuring wants.

A request of the runtime holds one input and one output, so runs of one engine wait for each other.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import properties
from openvino.properties import hint

from compressor.errors import UnavailableError
from compressor.records.latency import CompileOptions
from compressor.runtimes.base import INT8_PRODUCT, Feeds

NAME = "openvino"
RUNTIME = f"{NAME} {ov.__version__.split('-')[0]}"
IDS = "input_ids"
MOST_SHAPES = 4  # that are compiled when they occur
ANY: tuple[tuple[int, ...], ...] = ()

Shapes = tuple[tuple[int, ...], ...]


class OpenVinoEngine:
    """One model, compiled for one or more shapes of its inputs."""

    def __init__(self, model: Any, options: CompileOptions) -> None:
        self._model, self._options, self._lock = model, options, Lock()
        self.inputs: tuple[str, ...] = tuple(port.any_name for port in model.inputs)
        self._requests: dict[Shapes, Any] = {}
        if options.shapes:  # also for longer inputs, so that the first of them does not wait for the compiler
            named = ((shape,) * len(self.inputs) for shape in options.shapes)
            self._requests = {shapes: self.compiled(shapes).create_infer_request() for shapes in (*named, ANY)}

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """See `Engine`; from any thread.

        Raises:
            UnavailableError: The runtime cannot run the graph on these inputs.
        """
        with self._lock:
            return self._run([feeds[name] for name in self.inputs])

    def _run(self, arrays: list[NDArray[Any]]) -> NDArray[np.float32]:
        shapes = tuple(array.shape for array in arrays)
        if self._options.shapes and (larger := self._larger(shapes)):
            return self._padded(arrays, larger)
        if shapes not in self._requests and (self._options.shapes or len(self._requests) >= MOST_SHAPES):
            shapes = ANY
        if shapes not in self._requests:
            self._requests[shapes] = self.compiled(shapes).create_infer_request()
        return _infer(self._requests[shapes], arrays)

    def _larger(self, shapes: Shapes) -> Shapes | None:
        """The smallest compiled shape of as many rows that is longer than the inputs."""
        batch, length = shapes[0]
        fitting = [shape for shape in self._options.shapes if shape[0] == batch and shape[1] > length]
        known = shapes in self._requests or not fitting
        return None if known else (min(fitting),) * len(self.inputs)

    def _padded(self, arrays: list[NDArray[Any]], shapes: Shapes) -> NDArray[np.float32]:
        """With the token of padding behind the end, and a mask of 0, as rows that share a batch are filled up."""
        length, longer = arrays[0].shape[1], shapes[0][1]
        fill = [self._options.pad_id if name == IDS else 0 for name in self.inputs]
        ends = ((0, 0), (0, longer - length))
        wide = [np.pad(array, ends, constant_values=value) for array, value in zip(arrays, fill, strict=True)]
        outputs = _infer(self._requests[shapes], wide)
        return outputs[:, :length] if outputs.ndim == 3 else outputs

    def compiled(self, shapes: Shapes) -> Any:
        """For inputs of these shapes, or for `ANY`.

        Raises:
            UnavailableError: The runtime refuses the graph.
        """
        model = self._model.clone()
        settings = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            hint.inference_precision: ov.Type.f32,
            properties.inference_num_threads: self._options.threads,
        }
        try:
            if shapes != ANY:
                model.reshape(dict(zip(self.inputs, map(list, shapes), strict=True)))
            return ov.Core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise UnavailableError(f"{RUNTIME} cannot compile the graph: {error}") from error


def _infer(request: Any, arrays: list[NDArray[Any]]) -> NDArray[np.float32]:
    """The first output, copied: the runtime's own memory is written again by the next run."""
    try:
        request.infer(dict(enumerate(arrays)), share_inputs=True)
    except RuntimeError as error:
        raise UnavailableError(f"{RUNTIME} cannot run the graph: {error}") from error
    outputs: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
    return outputs


def kernels(engine: Path, options: CompileOptions) -> dict[str, int]:
    """See `Device`; everything but the products in int8 may be part of another kernel, and is not told."""
    loaded = compile_model(engine, replace(options, shapes=()))
    shapes = (options.shapes[0],) * len(loaded.inputs) if options.shapes else ANY
    model = loaded.compiled(shapes).get_runtime_model()
    found = (node.get_rt_info() for node in model.get_ops())
    names = Counter((info["layerType"].astype(str), info["runtimePrecision"].astype(str)) for info in found)
    return {INT8_PRODUCT: sum(names["FullyConnected", precision] for precision in ("i8", "u8"))}


def compile_model(model: bytes | Path, options: CompileOptions) -> OpenVinoEngine:
    """Compile for the CPU.

    Raises:
        UnavailableError: The runtime cannot read the graph.
    """
    try:
        read = ov.Core().read_model(model if isinstance(model, bytes) else str(model))
    except RuntimeError as error:
        raise UnavailableError(f"{RUNTIME} cannot load the graph: {error}") from error
    return OpenVinoEngine(read, options)

"""ONNX Runtime on the CPU, strict: a graph that it would not run there is an error, never a fallback."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compressor.errors import UnavailableError
from compressor.records.latency import CompileOptions
from compressor.runtimes.base import ACTIVATION, FLOAT_PRODUCT, INT8_PRODUCT, NORM, SOFTMAX, Feeds

PROVIDER = "CPUExecutionProvider"
NAME = "onnxruntime"
RUNTIME = f"{NAME} {ort.__version__}"

# Measured to be slower than the nodes that they replace on some CPUs, so tried on and off.
OPTIONAL_FUSIONS = ("SkipLayerNormFusion",)
# Idle threads of a session wait for work in a loop, 45 ms by default: they take the cores from whatever runs next,
# be it another engine or the rest of the program. Long enough for the gaps within a run and between two in a row.
SPIN_MICROSECONDS = 200


# What the optimiser makes of our graphs. A product in int8 that it does not recognise stays four nodes or more.
KERNELS = {
    INT8_PRODUCT: {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"},
    FLOAT_PRODUCT: {"MatMul", "FusedMatMul", "Gemm", "FusedGemm"},
    NORM: {"LayerNormalization", "SkipLayerNormalization"},
    ACTIVATION: {"Gelu", "BiasGelu"},
    SOFTMAX: {"Softmax"},
}


class OnnxRuntimeEngine:
    """One inference session."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(node.name for node in session.get_inputs())
        self._outputs = [node.name for node in session.get_outputs()]

    def run(self, feeds: Feeds) -> NDArray[np.float32]:
        """See `Engine`."""
        logits: NDArray[np.float32] = self._session.run(self._outputs, feeds)[0]
        return logits

    def run_all(self, feeds: Feeds) -> dict[str, NDArray[np.float32]]:
        """Every output of the graph by its name."""
        return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))


def kernels(engine: Path) -> dict[str, int]:
    """See `Device`; of a file that the optimiser wrote."""
    import onnx  # not in the processes that time

    counts = Counter(node.op_type for node in onnx.load_model(engine).graph.node)
    return {role: sum(counts[name] for name in names) for role, names in KERNELS.items()}


def option_variants(threads: int) -> tuple[CompileOptions, ...]:
    """All fusions on, and the optional ones off."""
    return CompileOptions(threads), CompileOptions(threads, OPTIONAL_FUSIONS)


def compile_model(model: bytes | Path, options: CompileOptions, *, save: Path | None = None) -> OnnxRuntimeEngine:
    """Compile for the CPU; `save` receives the optimised graph.

    Raises:
        UnavailableError: The runtime cannot load the graph or would run it with another provider.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    if not options.optimise:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save is not None:
        settings.optimized_model_filepath = str(save)
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = ort.InferenceSession(
            source, settings, providers=[PROVIDER], disabled_optimizers=list(options.disabled_fusions)
        )
    except Exception as error:  # the runtime raises its own exception types, all derived from Exception only
        raise UnavailableError(f"{RUNTIME} cannot load the graph: {error}") from error
    if session.get_providers() != [PROVIDER]:
        raise UnavailableError(f"expected {PROVIDER} alone, {RUNTIME} took {session.get_providers()}")
    return OnnxRuntimeEngine(session)

"""The promised percentile of a graph, from fresh processes at the workload of the promise."""

import numpy as np

from compressor.pipeline.workbench import Workbench
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Workload
from compressor.search.ladder import fresh_latency

# A limit that is offered as feasible must be one that a run then keeps, with its own margin and a longer look.
NEAREST_MARGIN = 1.15


def fresh_percentile(
    bench: Workbench,
    model: bytes,
    options: CompileOptions,
    workload: Workload,
    seconds: float,
    *,
    processes: int = 1,
    percentile: float | None = None,
) -> tuple[LatencySummary, float]:
    """Summary and a percentile (ms) of a graph in fresh processes.

    Args:
        bench: Names the device, the percentile and the texts.
        model: Serialised.
        options: Compile options.
        workload: Shape of the inputs.
        seconds: In all.
        processes: One after the other.
        percentile: Which; None = the promised one.
    """
    summary, samples = fresh_latency(
        bench.device,
        model,
        bench.feeds(workload),
        options,
        bench.run.path,
        seconds=seconds,
        processes=processes,
    )
    wanted = bench.request.budget.percentile if percentile is None else percentile
    return summary, float(np.percentile(samples, wanted)) / 1e6

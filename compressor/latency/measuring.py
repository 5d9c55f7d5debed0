"""The latency table by differential timing.

    cost of an op = median over rounds of (time of a graph with MANY copies - time with FEW) / (MANY - FEW)

The difference removes what both graphs share (the call of the runtime, input and output); taking it within a round
removes drift. The stem is the exception: it is the whole model without layers, timed as it is.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compressor.latency.disturbance import Disturbance
from compressor.latency.probes import op_graph, stem_graph
from compressor.records.architecture import Architecture, OpKey
from compressor.records.latency import CompileOptions, LatencyTable, Measured, TableEntry, check_table
from compressor.records.promise import Workload
from compressor.runtimes.base import Device, Feeds
from compressor.runtimes.statistics import median_with_error
from compressor.runtimes.timing import Subject, Timings, engine_subject, time_interleaved

FEW, MANY = 2, 6
TARGET_ERROR = 0.01
SLICE_SECONDS = 0.12
MAX_SLICES = 4

Progress = Callable[[float], None]


def measure_table(
    device: Device,
    device_key: str,
    shape: Architecture,
    ops: Iterable[OpKey],
    options: CompileOptions,
    workload: Workload,
    *,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure every op; costs are made monotone in the width afterwards (`smooth`)."""
    every = list(ops)
    entries, disturbance = [], Disturbance()
    for index, op in enumerate(every):
        entries.append(TableEntry(op, measure_op(device, shape, op, options, workload, disturbance)))
        if progress is not None:
            progress((index + 1) / len(every))
    smoothed, share = tuple(smooth(entries)), disturbance.share
    return check_table(LatencyTable(device_key, device.runtime, options, workload, smoothed, share))


def measure_op(
    device: Device,
    shape: Architecture,
    op: OpKey,
    options: CompileOptions,
    workload: Workload,
    disturbance: Disturbance | None = None,
) -> Measured:
    """Cost of one op, measured until its standard error is 1 % or the time for one op is used up.

    Args:
        device: Where.
        shape: Of the teacher.
        op: What.
        options: Compile options.
        workload: Shape of the inputs.
        disturbance: What is known of the machine from other ops; slices that were disturbed are measured again. If the
            machine never was quiet, the share by which the cost may be too high is part of its error.
    """
    disturbance = disturbance or Disturbance()
    subjects, copies = _subjects(device, shape, op, options, workload)
    rounds: list[NDArray[np.float64]] = []
    excesses: list[float] = []
    while len(rounds) < MAX_SLICES:
        timings = time_interleaved(subjects, clock=device.clock, seconds=SLICE_SECONDS, yardstick=device.yardstick)
        quiet = disturbance.quiet_rounds(timings)
        if disturbance.repeat(quiet):
            continue
        rounds.append(_per_copy(timings, quiet, copies))
        excesses.append(disturbance.excess(timings, quiet))
        cost = median_with_error(np.concatenate(rounds))
        if cost.standard_error_us <= TARGET_ERROR * cost.value_us:
            break
    excess = disturbance.noted(excesses)
    value = max(cost.value_us, 0.0)
    return Measured(value, math.hypot(cost.standard_error_us, excess * value), cost.samples)


def _subjects(
    device: Device, shape: Architecture, op: OpKey, options: CompileOptions, workload: Workload
) -> tuple[dict[str, Subject], int]:
    """What is timed for an op, and the number of copies that the difference stands for."""
    feeds = op_feeds(shape, op, workload)

    def subject(model: bytes) -> Subject:
        return engine_subject(device.compile(model, options), feeds)

    if op.kind == "stem":
        return {"many": subject(stem_graph(shape, op).SerializeToString())}, 1
    graphs = {"few": op_graph(shape, op, FEW), "many": op_graph(shape, op, MANY)}
    return {name: subject(graph.SerializeToString()) for name, graph in graphs.items()}, MANY - FEW


def op_feeds(shape: Architecture, op: OpKey, workload: Workload) -> list[Feeds]:
    """Inputs of the probe graphs of an op."""
    random = np.random.default_rng(0)
    rows = (workload.batch, workload.sequence_length)
    mask = np.ones(rows, dtype=np.int64)
    if op.kind == "stem":
        ids = random.integers(0, shape.vocabulary, size=(16, *rows))
        return [{"input_ids": i, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)} for i in ids]
    length = 1 if op.kind == "feed_forward" and op.first_token else workload.sequence_length
    size = (MANY, workload.batch, length, shape.hidden)
    hidden = {f"hidden{i}": x for i, x in enumerate(random.standard_normal(size).astype(np.float32))}
    return [{**hidden, "attention_mask": mask}]


def smooth(entries: list[TableEntry]) -> list[TableEntry]:
    """Costs that never fall as the width grows: isotonic regression per op, weighted by 1 / error^2.

    Pool-adjacent-violators (Ayer et al. 1955); without it a search picks the entries whose noise was lucky.
    """
    groups: dict[OpKey, list[int]] = {}
    for index, entry in enumerate(entries):
        groups.setdefault(replace(entry.op, width=0), []).append(index)
    result = list(entries)
    for indices in groups.values():
        indices.sort(key=lambda i: entries[i].op.width)
        costs = [entries[i].cost for i in indices]
        fitted = isotonic([c.value_us for c in costs], [1 / max(c.standard_error_us, 0.01) ** 2 for c in costs])
        for i, value in zip(indices, fitted, strict=True):
            old = entries[i].cost
            result[i] = TableEntry(entries[i].op, Measured(value, old.standard_error_us, old.samples))
    return result


def isotonic(values: list[float], weights: list[float]) -> list[float]:
    """The non-decreasing sequence with the least weighted squared distance from `values`."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (m2, w2, n2), (m1, w1, n1) = pools.pop(), pools.pop()
            pools.append(((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2))
    return [mean for mean, _, length in pools for _ in range(length)]


def _per_copy(timings: Timings, quiet: NDArray[np.bool_], copies: int) -> NDArray[np.float64]:
    """Cost of one copy in each quiet round, in all where none is, in microseconds."""
    difference = timings.per_round("many")
    if "few" in timings.samples:
        difference = difference - timings.per_round("few")
    return (difference[quiet] if quiet.any() else difference) / copies

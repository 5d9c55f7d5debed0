"""Limits and what is reached: solve, build, measure, recalibrate; then the promise in fresh processes.

The weights and what cuts cost are random, since only time is looked at; everything else is the product's own: table,
search, closed loop, emitter, engine file, verification.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from compressor.encoder import Encoder
from compressor.errors import InfeasibleError
from compressor.export.graphs import final_graph
from compressor.latency import estimate, measure_table
from compressor.latency.calibrating import whole_feeds
from compressor.latency.measuring import Bench
from compressor.profiles import fingerprint
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget, Verdict, Workload
from compressor.records.score import LayerScore, ScoredSpace
from compressor.runtimes.local import LocalDevice
from compressor.search import SearchProblem, Solution, exact_search
from compressor.search.confirm import Confirmation, confirm
from compressor.search.ladder import fresh_latency
from compressor.space import head_levels, neuron_levels
from compressor.verify.latency import verify_latency

LENGTH, SEED = 32, 4
PERCENTILE = 95.0
CONFIRM_SECONDS, CONFIRM_PROCESSES = 6.0, 3
LEAST_MARGIN = 1.2  # of the smallest limit over the smallest architecture: tail, share of the limit that is used


def random_space(teacher: Architecture, random: np.random.Generator) -> ScoredSpace:
    """Damages that fall with the width, in layers that matter differently."""
    heads, neurons = head_levels(teacher), neuron_levels(teacher)

    def damages(levels: tuple[int, ...]) -> tuple[float, ...]:
        weight, power = random.lognormal(), random.uniform(0.5, 3.0)
        return tuple(float(weight * (1 - level / levels[-1]) ** power) for level in levels)

    scores = tuple(
        LayerScore(tuple(range(heads[-1])), tuple(range(neurons[-1])), damages(heads), damages(neurons))
        for _ in teacher.layers
    )
    return ScoredSpace(heads, neurons, scores)


def closed_loop(teacher: Architecture, limits: int) -> dict[str, Any]:
    """For log-uniform limits: is each kept in fresh processes, and how much of it is used?"""
    device, random = LocalDevice(), np.random.default_rng(SEED)
    options, workload = device.option_variants(1)[-1], Workload(1, LENGTH, 1)
    table = measure_table(device, fingerprint().key, teacher, Precision.INT8, options, workload)
    smallest = teacher.with_layers((Layer(1, 0),))
    span = np.log([LEAST_MARGIN * estimate(table, smallest).value_us, estimate(table, teacher).value_us])
    problem = SearchProblem(teacher, random_space(teacher, random), table, limit_us=0.0)
    found = []
    for limit_ms in np.exp(random.uniform(*span, size=limits)) / 1e3:
        found.append(_one_limit(device, problem, options, workload, float(limit_ms)))
        print(f"    {found[-1]}", flush=True)
    kept = [row for row in found if row["verdict"] == Verdict.MET]
    used = [row["used_percent"] for row in found if row["used_percent"] is not None]
    return {
        "limits": limits,
        "kept_share": round(len(kept) / limits, 4),
        "used_percent": round(float(np.mean(used)), 2) if used else None,
        "least_used_percent": round(min(used), 2) if used else None,
        "table_seconds": round(table.seconds, 1),
        "rows": found,
    }


def _one_limit(
    device: LocalDevice, problem: SearchProblem, options: CompileOptions, workload: Workload, limit_ms: float
) -> dict[str, Any]:
    """One run of the loop and the verdict on it."""
    bench = Bench(device, problem.teacher, options, workload)
    feeds = whole_feeds(bench, problem.teacher, problem.table.precision)

    def model(solution: Solution) -> bytes:
        shape = problem.teacher.with_layers(solution.widths)
        return bytes(final_graph(Encoder(shape).eval(), problem.table.precision).SerializeToString())

    with tempfile.TemporaryDirectory(prefix="compressor-") as name:
        folder = Path(name)

        def measure(solution: Solution) -> tuple[LatencySummary, float]:
            summary, times = fresh_latency(
                device,
                model(solution),
                feeds,
                options,
                folder,
                seconds=CONFIRM_SECONDS,
                processes=CONFIRM_PROCESSES,
            )
            return summary, float(np.percentile(times, PERCENTILE)) / 1e6

        try:
            chosen: Confirmation = confirm(problem, exact_search, measure, limit_ms=limit_ms, tail=1.05)
        except InfeasibleError as error:
            return {"limit_ms": round(limit_ms, 4), "verdict": str(error), "used_percent": None}
        engine = folder / "engine.onnx"
        loaded = device.save_engine(model(chosen.trial.solution), options, engine)
        budget = Budget(max_latency_ms=limit_ms, percentile=PERCENTILE)
        result = verify_latency(device, engine, feeds, loaded, budget)
    return {
        "limit_ms": round(limit_ms, 4),
        "predicted_ms": round(chosen.trial.predicted_ms, 4),
        "confirmed_p50_ms": round(chosen.trial.latency.p50_ms, 4),
        "p50_ms": round(result.summary.p50_ms, 4),
        "p95_ms": round(result.summary.p95_ms, 4),
        "used_percent": round(100 * result.summary.p95_ms / limit_ms, 2),
        "rounds": chosen.rounds,
        "repeats": result.repeats,
        "verdict": result.verdict,
    }

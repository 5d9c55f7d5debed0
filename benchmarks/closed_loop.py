"""Limits and what is reached: solve, build, measure, recalibrate; then the promise in fresh processes.

The weights and what cuts cost are random, since only time is looked at; everything else is the product's own: table,
search, closed loop, emitter, engine file, verification, and after a missed promise another search with the tail that
was met. `compress` also plans a longer tail than it has seen on shared machines, since a miss costs it a training;
here a miss costs nothing but time, and the limit is to be used.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from compressor.encoder import Encoder
from compressor.errors import InfeasibleError
from compressor.export.graphs import final_graph
from compressor.latency import estimate, measure_table, recalibrated
from compressor.latency.calibrating import whole_feeds
from compressor.latency.measuring import Bench
from compressor.profiles import fingerprint
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Budget, Verdict, Workload
from compressor.records.score import LayerScore, ScoredSpace, UnitScore
from compressor.runtimes.local import LocalDevice
from compressor.search import SearchProblem, Solution, exact_search
from compressor.search.confirm import Confirmation, confirm, planned_percentile, planned_tail
from compressor.search.ladder import fresh_latency
from compressor.space import head_levels, neuron_levels
from compressor.verification.latency import verify_latency

LENGTH, SEED = 32, 4
PERCENTILE = 95.0
CONFIRM_SECONDS, CONFIRM_PROCESSES = 6.0, 3
ATTEMPTS, FIRST_TAIL = 3, 1.05  # as many verifications as `compress` allows itself
LEAST_MARGIN = 1.2  # of the smallest limit over the smallest architecture: tail, share of the limit that is used


def random_space(teacher: Architecture, random: np.random.Generator) -> ScoredSpace:
    """Damages that fall with the width, in layers that matter differently."""
    heads, neurons = head_levels(teacher), neuron_levels(teacher)

    def units(levels: tuple[int, ...]) -> UnitScore:
        weight, power = random.lognormal(), random.uniform(0.5, 3.0)
        damage = tuple(float(weight * (1 - level / levels[-1]) ** power) for level in levels)
        return UnitScore(tuple(range(levels[-1])), levels, damage)

    return ScoredSpace(tuple(LayerScore(units(heads), units(neurons)) for _ in teacher.layers))


class ClosedLoop:
    """One table, and limits that are log-uniform between the smallest architecture and the teacher.

    Args:
        teacher: Shape that is cut.
        limits: How many there are.
    """

    def __init__(self, teacher: Architecture, limits: int) -> None:
        self._teacher, self._limits = teacher, limits
        self._random = np.random.default_rng(SEED)
        self._device = LocalDevice()
        self._options = self._device.option_variants(1, Precision.INT8)[-1]
        self._workload = Workload(1, LENGTH, 1)

    @cached_property
    def problem(self) -> SearchProblem:
        """With the table, which is measured when it is first asked for."""
        key = fingerprint().key
        table = measure_table(self._device, key, self._teacher, Precision.INT8, self._options, self._workload)
        return SearchProblem(self._teacher, random_space(self._teacher, self._random), table, limit_us=0.0)

    @cached_property
    def limits_ms(self) -> list[float]:
        """The same shares of the range between the two every time."""
        table = self.problem.table
        least = LEAST_MARGIN * estimate(table, self._teacher.with_layers((Layer(1, 0),))).value_us
        span = np.log([least, estimate(table, self._teacher).value_us])
        return [float(limit) / 1e3 for limit in np.exp(self._random.uniform(*span, size=self._limits))]

    def row(self, index: int) -> dict[str, Any]:
        """Is this limit kept in fresh processes, and how much of it is used?"""
        return _one_limit(self._device, self.problem, self._options, self._workload, self.limits_ms[index])


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of all limits together."""
    used = [row["used_percent"] for row in rows if row["used_percent"] is not None]
    return {
        "row": "loop",
        "limits": len(rows),
        "kept_share": round(sum(row["verdict"] == Verdict.MET for row in rows) / len(rows), 4),
        "used_percent": round(float(np.mean(used)), 2) if used else None,
        "least_used_percent": round(min(used), 2) if used else None,
        "verifications": sum(row.get("attempts", 0) for row in rows),
    }


def _one_limit(
    device: LocalDevice, problem: SearchProblem, options: CompileOptions, workload: Workload, limit_ms: float
) -> dict[str, Any]:
    """One run of the loop and the verdict on it."""
    bench = Bench(device, problem.source, options, workload)
    feeds = whole_feeds(bench, problem.source, problem.table.precision)

    def model(solution: Solution) -> bytes:
        shape = problem.source.with_layers(solution.widths)
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
            return summary, float(np.percentile(times, planned_percentile(PERCENTILE))) / 1e6

        budget = Budget(max_latency_ms=limit_ms, percentile=PERCENTILE)
        tail = FIRST_TAIL
        attempts = 0
        while attempts < ATTEMPTS:
            attempts += 1
            try:
                chosen: Confirmation = confirm(problem, exact_search, measure, limit_ms=limit_ms, tail=tail)
            except InfeasibleError as error:
                return {"limit_ms": round(limit_ms, 4), "verdict": str(error), "used_percent": None}
            engine = folder / "engine.onnx"
            loaded = device.save_engine(model(chosen.trial.solution), options, engine)
            result = verify_latency(device, engine, feeds, loaded, budget)
            if result.verdict is Verdict.MET:
                break
            seen = result.summary
            problem = replace(problem, table=recalibrated(problem.table, chosen.trial.predicted_ms, seen.p50_ms))
            tail = max(tail, planned_tail(seen, PERCENTILE))
    return {
        "limit_ms": round(limit_ms, 4),
        "predicted_ms": round(chosen.trial.predicted_ms, 4),
        "confirmed_p50_ms": round(chosen.trial.latency.p50_ms, 4),
        "p50_ms": round(result.summary.p50_ms, 4),
        "p95_ms": round(result.summary.p95_ms, 4),
        "used_percent": round(100 * result.summary.p95_ms / limit_ms, 2),
        "rounds": chosen.rounds,
        "attempts": attempts,
        "repeats": result.repeats,
        "verdict": result.verdict,
    }

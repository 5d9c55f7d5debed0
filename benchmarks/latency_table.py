"""How far the latency table is to be believed: predicted against measured, limits against what is reached.

Rows: for each teacher, precision, length and number of threads a table is built as `compressor profile` builds it;
then architectures that it has never seen are built through the export path (checked graph, precision pass, engine
file), timed in visits that are spread over a minute, and compared with their predictions. Between these visits the
whole models of the calibration are visited too and the table is refitted, as the search does before it uses one; the
error of the table as it was built, a minute earlier, stands beside it (`as_built`). A closed loop over limits;
promises on a simulated device with bursts; a table with a busy neighbour; what things cost; estimated tables.

The architectures are drawn with the seed of their row (`Case.seed`), their latencies log-uniform in 5 to 100 % of the
teacher's; those of the calibration come from another seed (`compressor.latency.calibrating.SEED`).

    python -m benchmarks.latency_table --full
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks import closed_loop
from benchmarks.harness import CHECKOUT, Check, RowStore, arguments, content_hash, finish, gemm_ceiling
from benchmarks.neighbour import drift_with_a_neighbour
from benchmarks.promises import false_promises
from benchmarks.published import mean_errors, published_errors
from benchmarks.quiet import wait_until_quiet
from compressor.encoder import Encoder
from compressor.export.graphs import final_graph
from compressor.latency import calibration_models, estimate, estimate_error, estimated_table, measure_table, refitted
from compressor.latency.calibrating import WholeModel, calibration_shapes, whole_feeds
from compressor.latency.measuring import Bench
from compressor.precision import apply_precision
from compressor.profiles import class_profile, fingerprint
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.promise import Workload
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import engine_subject
from compressor.search.ladder import fastest_options
from compressor.space import sample_architecture

MINILM = Architecture((Layer(12, 1536),) * 6, 384, 32, 30522, 512, 2, 2)
BERT_BASE = Architecture((Layer(12, 3072),) * 12, 768, 64, 30522, 512, 2, 2)
PRECISIONS = (Precision.FP32, Precision.INT8)
TEACHERS = {"minilm": MINILM, "bert_base": BERT_BASE}
COUNTS = {"full": {"minilm": 50, "bert_base": 20}, "quick": {"minilm": 16, "bert_base": 8}}
LENGTHS = {"full": (16, 32, 128), "quick": (32,)}
LIMITS = {"full": 30, "quick": 3}
ENGINES = {"full": 1000, "quick": 200}
LEAST_VISITS, MOST_VISITS, VISITS_SECONDS = 4, 24, 60.0
SMALLEST_SHARE = 0.05
LAYERS_PARAMETERS = {"minilm": 10.6e6, "bert_base": 85e6}
# Whatever decides a latency: a change elsewhere leaves the rows valid.
PACKAGES = ("records", "profiles", "runtimes", "encoder", "precision", "space", "latency")
LOOP_PACKAGES = (*PACKAGES, "search", "verification")


@dataclass(frozen=True)
class Case:
    """One table and its architectures."""

    teacher: str
    precision: Precision
    length: int
    threads: int
    count: int

    @property
    def name(self) -> str:
        """Of the row."""
        return f"{self.teacher}-{self.precision}-{self.length}-{self.threads}t"

    @property
    def seed(self) -> int:
        """Of its architectures; the calibration's is 20261121."""
        return 1000 * self.length + 10 * self.threads + (self.precision is Precision.INT8)


def cases(mode: str, threads: Sequence[int]) -> list[Case]:
    """Every table, those of one thread first."""
    return [
        Case(teacher, precision, length, count, COUNTS[mode][teacher])
        for count in threads
        for teacher in TEACHERS
        for length in LENGTHS[mode]
        for precision in PRECISIONS
    ]


def bench_of(case: Case) -> Bench:
    """Device, options and workload of a case; the options are chosen as the ladder chooses them."""
    device, teacher = LocalDevice(), TEACHERS[case.teacher]
    workload = Workload(1, case.length, case.threads)
    whole = apply_precision(Encoder(teacher).eval().emit(), case.precision).SerializeToString()
    feeds = whole_feeds(Bench(device, teacher, CompileOptions(case.threads), workload), teacher, case.precision)
    options = fastest_options(device, whole, feeds, case.threads, case.precision)
    return Bench(device, teacher, options, workload)


def table_row(case: Case) -> dict[str, Any]:
    """Build a table, predict unseen architectures, build and measure them."""
    quiet = wait_until_quiet()
    bench = bench_of(case)
    table = measure_table(
        bench.device, fingerprint().key, bench.teacher, case.precision, bench.options, bench.workload
    )
    bench = replace(bench, yardstick_us=table.yardstick_us)  # drift between the table and the models is corrected
    shapes = unseen_shapes(case, table)
    models = [exported(bench, shape, case.precision) for shape in shapes]
    calibration = calibration_models(bench, case.precision)
    visit_in_turn([*calibration, *models])
    now = refitted(table, calibration)  # as the search refits it: the machine is not what it was a minute ago
    measured = [model.measured for model in models]
    predicted = [estimate(now, shape) for shape in shapes]
    as_built = np.array([estimate(table, shape).value_us for shape in shapes])
    return {
        "as_built": summary(as_built, np.array([m.value_us for m in measured])),
        **summary(np.array([p.value_us for p in predicted]), np.array([m.value_us for m in measured])),
        "within_two_standard_errors": covered(predicted, measured),
        **quiet,
        "table_seconds": round(table.seconds, 1),
        "entries": len(table.entries),
        "disturbed_share": table.disturbed_share,
        "yardstick_us": round(table.yardstick_us, 2),
        "scale": [round(t.calibration.scale, 4) for t in (table, now)],
        "cache_megabytes": [round((t.calibration.cache_bytes or 0) / 1e6, 2) for t in (table, now)],
        "estimate_error_percent": roofline_error(table, shapes),
        "predicted_us": [round(p.value_us, 2) for p in predicted],
        "predicted_error_us": [round(p.standard_error_us, 2) for p in predicted],
        "measured_us": [round(m.value_us, 2) for m in measured],
        "measured_error_us": [round(m.standard_error_us, 2) for m in measured],
        "widths": [" ".join(f"{layer.heads}/{layer.neurons}" for layer in shape.layers) for shape in shapes],
    }


def visit_in_turn(models: Sequence[WholeModel]) -> None:
    """Visit all of them round after round."""
    begin, rounds = time.monotonic(), 0
    while rounds < LEAST_VISITS or (rounds < MOST_VISITS and time.monotonic() - begin < VISITS_SECONDS):
        for model in models:
            model.visit()
        rounds += 1


def unseen_shapes(case: Case, table: LatencyTable) -> list[Architecture]:
    """Architectures whose latencies are log-uniform, none of which the table was calibrated on."""
    random = np.random.default_rng(case.seed)
    full = estimate(table, table.teacher).value_us
    seen = set(calibration_shapes(table.teacher, table.workload))
    shapes: list[Architecture] = []
    while len(shapes) < case.count:
        goal = full * math.exp(random.uniform(math.log(SMALLEST_SHARE), 0.0))
        shape = sample_architecture(table.teacher, lambda s: estimate(table, s).value_us, goal, random)
        if shape not in seen:
            shapes.append(shape)
    return shapes


def exported(bench: Bench, shape: Architecture, precision: Precision) -> WholeModel:
    """A model built as the one that ships: checked graph, engine file, loaded from it."""
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        path = Path(folder) / "engine.onnx"
        model = final_graph(Encoder(shape).eval(), precision).SerializeToString()
        loaded = bench.device.save_engine(model, bench.options, path)
        engine = bench.device.compile(path, loaded)
    return WholeModel(bench, shape, engine_subject(engine, whole_feeds(bench, shape, precision)))


def summary(predicted: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    """Mean absolute error in percent, bias, the share within 5 %, rank correlation."""
    errors = predicted / measured - 1
    return {
        "mean_error_percent": round(100 * float(np.abs(errors).mean()), 3),
        "bias_percent": round(100 * float(errors.mean()), 3),
        "largest_error_percent": round(100 * float(np.abs(errors).max()), 2),
        "within_5_percent": round(float((np.abs(errors) <= 0.05).mean()), 4),
        "rank_correlation": round(float(spearmanr(predicted, measured).statistic), 5),
    }


def covered(predicted: Sequence[Any], measured: Sequence[Any]) -> float:
    """Share of the predictions within two of their standard errors, that of the measurement included."""
    inside = [
        abs(p.value_us - m.value_us) <= 2 * math.hypot(p.standard_error_us, m.standard_error_us)
        for p, m in zip(predicted, measured, strict=True)
    ]
    return round(float(np.mean(inside)), 3)


def roofline_error(table: LatencyTable, shapes: Sequence[Architecture]) -> float | None:
    """Error of the estimate that a device of this class would get if it were not here."""
    profile = class_profile(fingerprint())
    if profile is None:
        return None
    estimated = estimated_table(profile, table.teacher, table.precision, table.workload)
    return round(estimate_error(table, estimated, shapes), 2)


def emission_row() -> dict[str, Any]:
    """Layers of int8 graphs emitted per second, embeddings and precision pass included; median of nine graphs."""
    row = {}
    for name, shape in TEACHERS.items():
        encoder = Encoder(shape).eval()
        times = []
        for _ in range(10):
            begin = time.perf_counter()
            apply_precision(encoder.emit(), Precision.INT8)
            times.append(time.perf_counter() - begin)
        row[f"{name}_int8_layers_per_second"] = round(len(shape.layers) / float(np.median(times[1:])), 1)
    return row


def published_row() -> dict[str, Any]:
    """Estimated tables against published latencies of devices that are not here."""
    return {name: round(value, 2) for name, value in mean_errors(published_errors()).items()}


def ceiling() -> dict[str, Any]:
    """Nothing can be faster than the products of a model at the rate of one large product."""
    rates = gemm_ceiling()
    for name, parameters in LAYERS_PARAMETERS.items():
        for precision, rate in rates.items():
            least = ", ".join(f"{2 * parameters * n / rate * 1e3:.2f} ms at length {n}" for n in LENGTHS["full"])
            print(f"ceiling: the products of {name} in {precision} on one thread take at least {least}")
    return {"row": "ceiling", **{f"{name}_gemm_ops_per_s_per_thread": round(rate) for name, rate in rates.items()}}


def pooled(rows: dict[str, dict[str, Any]], teacher: str, precision: Precision, threads: int) -> np.ndarray:
    """Relative errors of all lengths together."""
    names = [name for name in rows if name.startswith(f"{teacher}-{precision}-") and name.endswith(f"-{threads}t")]
    return np.concatenate([np.array(rows[n]["predicted_us"]) / np.array(rows[n]["measured_us"]) - 1 for n in names])


def checks(rows: dict[str, dict[str, Any]], threads: Sequence[int]) -> list[Check]:
    """What the issue limits."""
    found = []
    for suffix, count, limit in (("1t", 1, 2.0), ("all_threads", threads[-1], 4.0)):
        for teacher, precision in (
            ("minilm", Precision.INT8),
            ("minilm", Precision.FP32),
            ("bert_base", Precision.INT8),
        ):
            error = 100 * float(np.abs(pooled(rows, teacher, precision, count)).mean())
            found.append(Check(f"{teacher}_{precision}_mean_error_percent_{suffix}", round(error, 3), "%", limit))
    single = {name: row for name, row in rows.items() if name.endswith("-1t")}
    errors = np.concatenate([pooled(rows, teacher, precision, 1) for teacher in TEACHERS for precision in PRECISIONS])
    ranks = float(np.mean([row["rank_correlation"] for row in single.values()]))
    seconds = {
        teacher: max(
            rows[f"{teacher}-fp32-{length}-{count}t"]["table_seconds"]
            + rows[f"{teacher}-int8-{length}-{count}t"]["table_seconds"]
            for length in lengths_of(rows)
            for count in threads
        )
        for teacher in TEACHERS
    }
    roofline = [
        row["estimate_error_percent"] for row in rows.values() if row.get("estimate_error_percent") is not None
    ]
    loop, promise, neighbour, published = (rows[name] for name in ("loop", "promises", "neighbour", "published"))
    return [
        *found,
        Check("within_5_percent_share_1t", round(float((np.abs(errors) <= 0.05).mean()), 4), "", 0.95, ">="),
        Check("rank_correlation_1t", round(ranks, 5), "", 0.998, ">="),
        Check("limit_kept_share", loop["kept_share"], "", 1.0, ">="),
        Check("limit_used_percent", loop["used_percent"], "%", 93, ">="),
        Check("false_met_percent", promise["false_met_percent"], "%", 1),
        Check("false_missed_percent", promise["false_missed_percent"], "%", 1),
        Check("noisy_table_drift_percent", neighbour["drift_percent"], "%", 3),
        Check("table_seconds_minilm", seconds["minilm"], "s", 60),
        Check("table_seconds_bert_base", seconds["bert_base"], "s", 180),
        Check(
            "emitted_int8_layers_per_second",
            rows["emission"]["minilm_int8_layers_per_second"],
            "layers/s",
            50,
            ">=",
        ),
        Check("estimate_error_percent_cpu", round(float(np.mean(roofline)), 2) if roofline else None, "%", None),
        Check("t4_estimate_error_percent", published["t4_estimate_error_percent"], "%", None),
        Check("a100_estimate_error_percent", published["a100_estimate_error_percent"], "%", None),
    ]


def lengths_of(rows: dict[str, dict[str, Any]]) -> set[int]:
    """Lengths of the tables among the rows."""
    return {int(name.split("-")[2]) for name in rows if name.endswith("t") and name.split("-")[0] in TEACHERS}


def main() -> None:
    """Run the rows that are missing."""
    chosen = arguments(__doc__ or "")
    first = ceiling()
    store = RowStore("latency_table", resume=chosen.resume)
    threads = sorted({1, fingerprint().usable_cores})
    sources = [CHECKOUT / "compressor" / name for name in PACKAGES]
    key = content_hash(sources, [SMALLEST_SHARE, LEAST_VISITS, MOST_VISITS, VISITS_SECONDS])
    loop_sources = [CHECKOUT / "compressor" / name for name in LOOP_PACKAGES]
    loop_key = content_hash([*loop_sources, CHECKOUT / "benchmarks" / "closed_loop.py"], [LIMITS[chosen.mode]])
    promise_key = content_hash(
        [CHECKOUT / "compressor" / name for name in ("runtimes", "verification")], [chosen.mode]
    )
    rows: dict[str, dict[str, Any]] = {
        "published": store.row("published", key, published_row),
        "emission": store.row("emission", key, emission_row),
        "neighbour": store.row("neighbour", key, lambda: drift_with_a_neighbour(MINILM)),
    }
    for case in cases(chosen.mode, threads):
        rows[case.name] = store.row(case.name, f"{key}-{case.count}", lambda case=case: table_row(case))
    loop = closed_loop.ClosedLoop(MINILM, LIMITS[chosen.mode])
    for index in range(LIMITS[chosen.mode]):
        rows[f"loop-{index}"] = store.row(f"loop-{index}", loop_key, lambda index=index: loop.row(index))
    rows["loop"] = closed_loop.summary([row for name, row in rows.items() if name.startswith("loop-")])
    print(rows["loop"])
    rows["promises"] = store.row(
        "promises", promise_key, lambda: false_promises("bursty", engines=ENGINES[chosen.mode])
    )
    finish("latency_table", chosen.mode, [first, *rows.values()], checks(rows, threads))


if __name__ == "__main__":
    main()

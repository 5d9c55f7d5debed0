"""Estimated tables against published latencies of BERT-base on T4 and A100: how far off estimates are.

INT8 rows: TensorRT with the plugins of NVIDIA's demoBERT, CUDA graph, copies to and from the device excluded; source
NVIDIA/TensorRT demo/BERT/README.md, first tag that carries the table. FP32 rows: the encoder alone (no embeddings, no
head), FasterTransformer's PyTorch extension, source NVIDIA/FasterTransformer @ df4a7534, docs/bert_guide.md; TF32 on
the A100, which is an 80 GB one (memory 1.3 times as fast as that of the profile). FasterTransformer's INT8 is left
out: the profiles' runtime is TensorRT. Every position is computed in all layers, as in a model that answers per token.

The constants of the estimator were chosen on other rows (compressor/latency/roofline_gpu.py). Its form (tiles, one
block per head) was settled with these in sight, so this is no blind test.

    python -m benchmarks.published
"""

from dataclasses import asdict, dataclass
from typing import Any

from compressor.latency import estimated_table, operations
from compressor.profiles import load_profile
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import LatencyTable
from compressor.records.promise import Workload

BERT_BASE = Architecture(
    (Layer(12, 3072),) * 12,
    hidden=768,
    head_size=64,
    vocabulary=30522,
    positions=512,
    token_types=2,
    classes=2,
    per_token=True,
)
BATCHES = (1, 8, 32)
ENCODER_ONLY = "FasterTransformer"
# (profile, source, precision, length): milliseconds at batches 1, 8 and 32
LATENCIES_MS = {
    ("t4", "TensorRT 7.1.3", Precision.INT8, 128): (1.66, 4.81, 19.88),
    ("t4", "TensorRT 8.0.1", Precision.INT8, 128): (1.33, 4.42, 17.59),
    ("t4", "TensorRT 8.5.1", Precision.INT8, 128): (1.36, 4.57, 18.18),
    ("t4", "TensorRT 8.0.1", Precision.INT8, 384): (2.43, 13.73, 54.06),
    ("t4", "TensorRT 8.5.1", Precision.INT8, 384): (2.49, 14.20, 55.29),
    ("t4", ENCODER_ONLY, Precision.FP32, 32): (2.65, 11.31, 42.34),
    ("t4", ENCODER_ONLY, Precision.FP32, 128): (6.23, 43.51, 168.30),
    ("t4", ENCODER_ONLY, Precision.FP32, 384): (18.81, 144.51, 587.40),
    ("a100", "TensorRT 7.1.3", Precision.INT8, 128): (0.77, 1.19, 3.21),
    ("a100", "TensorRT 8.0.1", Precision.INT8, 128): (0.58, 0.98, 2.54),
    ("a100", "TensorRT 8.5.1", Precision.INT8, 128): (0.55, 0.96, 2.30),
    ("a100", "TensorRT 10.8", Precision.INT8, 128): (0.54, 0.95, 2.23),
    ("a100", "TensorRT 10.8", Precision.INT8, 384): (1.14, 2.20, 7.64),
    ("a100", ENCODER_ONLY, Precision.FP32, 32): (1.99, 2.18, 4.16),
    ("a100", ENCODER_ONLY, Precision.FP32, 128): (1.94, 4.03, 11.64),
    ("a100", ENCODER_ONLY, Precision.FP32, 384): (2.74, 12.21, 45.47),
}


@dataclass(frozen=True)
class PublishedRow:
    """A published latency and the estimate of it."""

    device: str
    source: str
    precision: Precision
    batch: int
    sequence_length: int
    published_ms: float
    estimated_ms: float

    @property
    def error_percent(self) -> float:
        """Of the estimate, negative where it is too short."""
        return 100 * (self.estimated_ms / self.published_ms - 1)


def published_errors() -> list[PublishedRow]:
    """Every published latency with its estimate."""
    rows = []
    for (device, source, precision, length), latencies in LATENCIES_MS.items():
        for batch, published in zip(BATCHES, latencies, strict=True):
            workload = Workload(batch, length, threads=1)
            table = estimated_table(load_profile(device), BERT_BASE, precision, workload)
            estimated = whole_model_ms(table, encoder_only=source == ENCODER_ONLY)
            rows.append(PublishedRow(device, source, precision, batch, length, published, round(estimated, 3)))
    return rows


def whole_model_ms(table: LatencyTable, *, encoder_only: bool) -> float:
    """BERT-base by a table, weights in the caches as far as they fit."""
    ops = operations(BERT_BASE, table.precision)[1 if encoder_only else 0 :]
    entries = [table.entry(op) for op in ops]
    uncached = table.calibration.uncached_share(sum(entry.weight_bytes for entry in entries))
    return sum(entry.cost(uncached).value_us for entry in entries) / 1e3


def mean_errors(rows: list[PublishedRow]) -> dict[str, float]:
    """`t4_estimate_error_percent`, `a100_estimate_error_percent`: mean absolute relative error."""
    devices = dict.fromkeys(row.device for row in rows)
    errors = {device: [abs(row.error_percent) for row in rows if row.device == device] for device in devices}
    return {f"{device}_estimate_error_percent": round(sum(e) / len(e), 1) for device, e in errors.items()}


def as_dict(row: PublishedRow) -> dict[str, Any]:
    """A row of a benchmark's record."""
    return {**asdict(row), "error_percent": round(row.error_percent, 1)}


def main() -> None:
    """Print every row and the means."""
    rows = published_errors()
    for row in rows:
        print("  ".join(f"{name}={value}" for name, value in as_dict(row).items()))
    print(mean_errors(rows))


if __name__ == "__main__":
    main()

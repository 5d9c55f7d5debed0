"""How fast a bundle is in use: latency, lengths, batches, cold start, tokenisation."""

from compressor.bench.bundle import bench_bundle
from compressor.bench.shapes import batch_latencies, length_latencies, measure_of

__all__ = ["batch_latencies", "bench_bundle", "length_latencies", "measure_of"]

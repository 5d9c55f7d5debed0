"""How fast a bundle is in use: latency, lengths, batches, cold start, tokenisation."""

from compressor.bench.bundle import bench_bundle

__all__ = ["bench_bundle"]

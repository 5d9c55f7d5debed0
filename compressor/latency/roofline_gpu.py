"""Roofline of an NVIDIA GPU that runs fused kernels: what one kernel takes there.

    kernel       = launch + max(compute, bytes / achieved bandwidth)
    compute      = waves x operations of a tile / rate of one multiprocessor
    waves        = ceil(tiles / multiprocessors), of the tile size that is fastest

Williams et al. 2009, "Roofline", with the launch and with whole tiles on whole multiprocessors, which is what makes a
batch of one slow. Attention runs one block per head and input, as the fused kernels of TensorRT do.

One set of constants for all GPUs. They were chosen on INT8 times of BERT-large on T4 and A100 and of both BERTs on L4
(NVIDIA/TensorRT demo/BERT 8.0.1 to 10.8; 11 % off on average) and on FP32 times of other models and GPUs, named below.
The times that benchmarks/published.py compares with are none of these.
"""

import math
from dataclasses import dataclass

from compressor.latency.fused import fused_kernels
from compressor.latency.quantities import known, required
from compressor.latency.work import Elementwise, Kernel, Product
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.profile import HardwareProfile
from compressor.records.promise import Workload

# A100 80GB 2.64 us and H200 2.48 us for a stream of small kernels (te42kyfo/gpu-benches); for GPUs without a number.
LAUNCH_US = 2.64
# Replay of a graph, beyond its kernels: about 15 us (ahrefs/ocannl issue 488, one laptop GPU).
CALL_US = 15.0
# One read and one write per element: A100 0.89, H100 PCIe 0.84, L40 0.89 of the peak (te42kyfo/gpu-benches).
BANDWIDTH_SHARE = 0.85
# Second-level cache over memory: A100 80GB 5.4 of 2.04 TB/s, H200 9 to 10 of 4.8 TB/s (te42kyfo/gpu-benches).
CACHE_OVER_MEMORY = 2.5
# Products in int8, where the profile has no sustained rate: half-way between T4 (35 % of its peak) and A100 (65 %).
INT8_SHARE = 0.5
# Products in fp32: BERT-base on A10 reaches 34 % of the peak (FasterTransformer), RoBERTa-large on T4 41 %
# (transformer-deploy), PP-MiniLM on T4 47 % (PaddleSlim); the middle one.
FP32_SHARE = 0.41
# Rows and columns of the result that one block computes. Tensor cores starve in smaller blocks, which fetch more bytes
# per operation: each halving leaves this share of the rate. Attention is a small block too.
TILES = (128, 64, 32)
HALVED_TILE_SHARE = 0.7


@dataclass(frozen=True)
class GpuRoofline:
    """Rates of a GPU.

    Attributes:
        rates: Operations per second in large products, by precision.
        tensor_cores: The precisions that run on them.
        multiprocessors: That work side by side.
        memory_bytes_per_s: Achieved.
        cache_bytes_per_s: Achieved, data in the second-level cache.
        cache_bytes: Of the second-level cache.
        launch_us: From one small kernel to the next.
    """

    rates: dict[Precision, float]
    tensor_cores: frozenset[Precision]
    multiprocessors: int
    memory_bytes_per_s: float
    cache_bytes_per_s: float
    cache_bytes: float
    launch_us: float
    call_us: float = CALL_US

    def kernels(self, shape: Architecture, op: OpKey, workload: Workload) -> tuple[Kernel, ...]:
        """Fused ones."""
        return fused_kernels(shape, op, workload)

    def microseconds(self, kernel: Kernel, *, cached: bool) -> float:
        """Time of one kernel, its weights in the second-level cache or in memory."""
        fits = kernel.activation_bytes <= self.cache_bytes
        moved = kernel.activation_bytes / (self.cache_bytes_per_s if fits else self.memory_bytes_per_s)
        if isinstance(kernel, Elementwise):
            return self.launch_us + 1e6 * moved
        moved += kernel.weight_bytes / (self.cache_bytes_per_s if cached else self.memory_bytes_per_s)
        return self.launch_us + 1e6 * max(self._compute(kernel), moved)

    def _compute(self, product: Product) -> float:
        """Seconds of the multiplications and additions."""
        rate = self.rates[product.precision] / self.multiprocessors
        if not product.weight_bytes:  # attention
            waves = math.ceil(product.copies / self.multiprocessors)
            return waves * product.operations / product.copies / (rate * self._share(product.precision, 1))
        shares = (self._share(product.precision, halvings) for halvings in range(len(TILES)))
        return min(self._tiled(product, tile, rate * share) for tile, share in zip(TILES, shares, strict=True))

    def _tiled(self, product: Product, tile: int, rate: float) -> float:
        """Seconds in blocks of tile x tile results, each on a multiprocessor of that rate."""
        tiles = product.copies * math.ceil(product.rows / tile) * math.ceil(product.columns / tile)
        return math.ceil(tiles / self.multiprocessors) * 2 * tile * tile * product.inner / rate

    def _share(self, precision: Precision, halvings: int) -> float:
        return HALVED_TILE_SHARE**halvings if precision in self.tensor_cores else 1.0


def gpu_roofline(profile: HardwareProfile, workload: Workload) -> GpuRoofline:
    """Roofline of a profile of a GPU; the workload's threads are the host's and play no part.

    Raises:
        InputError: The profile has no peak rate, memory bandwidth, second-level cache or number of multiprocessors.
    """
    del workload
    tf32 = known(profile, "peak_tf32_flops_per_s")  # what runtimes take for fp32 products where it exists
    fp32 = required(profile, "peak_fp32_flops_per_s") if tf32 is None else tf32
    int8 = known(profile, "sustained_int8_ops_per_s") or INT8_SHARE * required(profile, "peak_int8_ops_per_s")
    bandwidth = BANDWIDTH_SHARE * required(profile, "memory_bandwidth_bytes_per_s")
    return GpuRoofline(
        rates={Precision.FP32: FP32_SHARE * fp32, Precision.INT8: int8},
        tensor_cores=frozenset({Precision.INT8} if tf32 is None else {Precision.INT8, Precision.FP32}),
        multiprocessors=round(required(profile, "multiprocessor_count")),
        memory_bytes_per_s=bandwidth,
        cache_bytes_per_s=CACHE_OVER_MEMORY * required(profile, "memory_bandwidth_bytes_per_s"),
        cache_bytes=required(profile, "l2_cache_bytes"),
        launch_us=known(profile, "kernel_launch_us") or LAUNCH_US,
    )

"""Roofline of a CPU that runs ONNX Runtime: what one kernel takes there.

    kernel        = node + min(one thread, all threads + a rendezvous)
    product       = max(operations / (threads x rate), weights / bandwidth + activations / cache bandwidth)
    elementwise   = elements x operations per element / (threads x fp32 rate)

Williams et al. 2009, "Roofline", with an overhead per node. The rates come from the profile. The constants below were
read off operator times of ONNX Runtime 1.31.1 on one EPYC (Zen 4), encoders of width 384 and 768 at length 32 and 128,
where the fp32 rate is 1e11 flop/s; on other cores they follow that rate.
"""

from dataclasses import dataclass

from compressor.latency.nodes import node_kernels
from compressor.latency.quantities import known, required
from compressor.latency.work import Elementwise, Kernel
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.profile import HardwareProfile
from compressor.records.promise import Workload

# Nodes that only change a shape took 1 us.
NODE_US = 1.0
# A run from Python to Python, beyond its nodes.
CALL_US = 10.0
# What waking the other threads and waiting for the last one adds: four threads took a quarter of one's time and this.
RENDEZVOUS_US = 4.0
# In operations of the fp32 product rate: sums and transpositions made 3 to 6 elements per ns, GELU, softmax, norm and
# quantising 1.6 to 2.6.
MOVE_OPERATIONS = 25
FUNCTION_OPERATIONS = 50
# Share of the peak that large products reach where the profile has no measured rate: Zen 4 reaches 85 %, Sapphire
# Rapids 38 % with four cores and instances on all others (89 Gflop/s of 64 per cycle at 3.7 GHz).
PRODUCT_SHARE = 0.6
# Weights of products with one row: 53 GB/s per thread from the third-level cache; from memory 15 to 23 GB/s on one
# thread and 28 to 35 GB/s on four.
CACHE_BYTES_PER_S_PER_THREAD = 5e10
MEMORY_BYTES_PER_S_PER_THREAD = 1.5e10
# Share of the data sheet's bandwidth that is reached: 84 to 94 % on GPUs (te42kyfo/gpu-benches), assumed here too.
BANDWIDTH_SHARE = 0.85
# Where the profile names no cache: the second level of Zen 4 and of Neoverse V1, per core.
CACHE_BYTES_PER_THREAD = 2**20
# Where the profile of a phone has no bandwidth: what a core of a Raspberry Pi 5 copies, read and written
# (geerlingguy/sbc-reviews @ 968b675e); one core fills such a bus.
PHONE_BYTES_PER_S = 9.6e9


@dataclass(frozen=True)
class CpuRoofline:
    """Rates of the threads of a workload.

    Attributes:
        threads: That run a kernel.
        rates: Operations per second of one thread in large products, by precision.
        memory_bytes_per_s: Of all threads together.
        cache_bytes: That weights may fill before they come from memory.
    """

    threads: int
    rates: dict[Precision, float]
    memory_bytes_per_s: float
    cache_bytes: float
    call_us: float = CALL_US

    def kernels(self, shape: Architecture, op: OpKey, workload: Workload) -> tuple[Kernel, ...]:
        """One per node."""
        return node_kernels(shape, op, workload)

    def microseconds(self, kernel: Kernel, *, cached: bool) -> float:
        """Time of one kernel, its weights in the caches or in memory."""
        work = min(self._seconds(kernel, 1, cached), self._seconds(kernel, self.threads, cached) + self._rendezvous())
        launched = not isinstance(kernel, Elementwise) or kernel.launched
        return 1e6 * work + (NODE_US if launched else 0.0)

    def _rendezvous(self) -> float:
        return RENDEZVOUS_US / 1e6 if self.threads > 1 else 0.0

    def _seconds(self, kernel: Kernel, threads: int, cached: bool) -> float:
        if isinstance(kernel, Elementwise):
            operations = FUNCTION_OPERATIONS if kernel.function else MOVE_OPERATIONS
            return kernel.elements * operations / (threads * self.rates[Precision.FP32])
        cache = threads * CACHE_BYTES_PER_S_PER_THREAD
        bandwidth = cache if cached else min(self.memory_bytes_per_s, threads * MEMORY_BYTES_PER_S_PER_THREAD)
        moved = kernel.weight_bytes / bandwidth + kernel.activation_bytes / cache
        return max(kernel.operations / (threads * self.rates[kernel.precision]), moved)


def cpu_roofline(profile: HardwareProfile, workload: Workload) -> CpuRoofline:
    """Roofline of a profile of a CPU or a phone, at the workload's threads.

    Raises:
        InputError: The profile has neither a rate of products nor the rate per cycle and the clock.
    """
    threads = workload.threads
    bandwidth = known(profile, "memory_bandwidth_bytes_per_s")
    if bandwidth is not None:
        bandwidth *= BANDWIDTH_SHARE
    elif profile.kind == "android":
        bandwidth = PHONE_BYTES_PER_S
    else:
        bandwidth = threads * MEMORY_BYTES_PER_S_PER_THREAD
    return CpuRoofline(threads, _rates(profile), bandwidth, _cache_bytes(profile, threads))


def _rates(profile: HardwareProfile) -> dict[Precision, float]:
    """Operations per second of one thread, by precision."""
    rates = {}
    for precision, operations in ((Precision.FP32, "flops"), (Precision.INT8, "ops")):
        rate = known(profile, f"gemm_{precision}_{operations}_per_s_per_thread")
        if rate is None:
            per_cycle = required(profile, f"{precision}_{operations}_per_cycle_per_core")
            rate = PRODUCT_SHARE * per_cycle * required(profile, "clock_hz")
        rates[precision] = rate
    return rates


def _cache_bytes(profile: HardwareProfile, threads: int) -> float:
    per_core, shared = known(profile, "l2_cache_bytes_per_core"), known(profile, "l3_cache_bytes")
    if per_core is None and shared is None:
        return threads * CACHE_BYTES_PER_THREAD
    return threads * (per_core or 0) + (shared or 0)

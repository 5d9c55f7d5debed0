"""The closed lists of words that a profile may use: CPU flags, precisions, quantities with unit and plausible range.

The unit is the end of a quantity's name, so that a number can be read without looking anything up:

    memory_bandwidth_bytes_per_s -> "byte/s"

The ranges are wide on purpose. They catch a wrong power of ten or a wrong unit, not an unusual device.
"""

from typing import Final

# Spelled as Linux prints them in /proc/cpuinfo; the order is the order in a fingerprint.
INFERENCE_FLAGS: Final = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "avx_vnni_int8",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "amx_fp16",
    "neon",
    "asimd",
    "asimdhp",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
    "sme",
)

PRECISIONS: Final = ("fp32", "fp16", "bf16", "int8")

UNITS: Final = {
    "_flops_per_s": "flop/s",
    "_ops_per_s": "op/s",
    "_flops_per_s_per_thread": "flop/s/thread",
    "_ops_per_s_per_thread": "op/s/thread",
    "_flops_per_cycle_per_core": "flop/cycle/core",
    "_ops_per_cycle_per_core": "op/cycle/core",
    "_bytes_per_s": "byte/s",
    "_bytes_per_core": "byte/core",
    "_bytes": "byte",
    "_hz": "hertz",
    "_us": "us",
    "_watts": "watt",
    "_count": "count",
}

# Lowest and highest value that is taken for a number and not for a slip; from a single-board computer to the
# largest accelerator on sale, with a factor of ten to spare.
RANGES: Final = {
    "peak_fp32_flops_per_s": (1e9, 1e15),
    "peak_tf32_flops_per_s": (1e9, 1e16),
    "peak_fp16_flops_per_s": (1e9, 1e16),
    "peak_bf16_flops_per_s": (1e9, 1e16),
    "peak_int8_ops_per_s": (1e9, 1e17),
    "sustained_int8_ops_per_s": (1e9, 1e17),
    "gemm_fp32_flops_per_s_per_thread": (1e8, 1e12),
    "gemm_int8_ops_per_s_per_thread": (1e8, 1e14),
    "fp32_flops_per_cycle_per_core": (1, 256),
    "int8_ops_per_cycle_per_core": (1, 8192),
    "memory_bandwidth_bytes_per_s": (1e9, 2e13),
    "memory_bytes": (2e8, 2e13),
    "l2_cache_bytes": (1e5, 1e10),
    "l2_cache_bytes_per_core": (3e4, 1e8),
    "l3_cache_bytes": (1e5, 1e10),
    "clock_hz": (1e8, 1e10),
    "multiprocessor_count": (1, 2000),
    "kernel_launch_us": (0.05, 1000.0),
    "power_limit_watts": (0.5, 5000.0),
}


def unit_of(name: str) -> str | None:
    """The unit that the end of a quantity's name says; None where it says none."""
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), None)

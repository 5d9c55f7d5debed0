"""A latency table for a device that is not here, from the numbers of its hardware profile.

    cost of an op = sum over its kernels of overhead + max(operations / achieved rate, bytes / achieved bandwidth)

Such a table has the ops and the form of a measured one and says that it is estimated. What it does not know (clocks
under load, the kernels that a runtime really picks, caches that are shared) is in its error, which is wide.
"""

from collections.abc import Callable
from typing import Protocol

from compressor.errors import InputError
from compressor.latency.candidates import candidate_ops
from compressor.latency.roofline_cpu import cpu_roofline
from compressor.latency.roofline_gpu import gpu_roofline
from compressor.latency.work import Kernel, weight_bytes
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.records.latency import Calibration, CompileOptions, LatencyTable, Measured, TableEntry, check_table
from compressor.records.profile import DeviceKind, HardwareProfile
from compressor.records.promise import Workload

# Standard error of every entry, as a share, and of whole models, since their ops err in the same direction. Published
# times of BERT-base on T4 and A100 are missed by 16 and 20 % on average, single ones by up to 64 %
# (benchmarks/published.py); a device without published times may fare worse.
ERROR_SHARE = 0.3


class Roofline(Protocol):
    """What a device is to an estimate."""

    @property
    def cache_bytes(self) -> float:
        """That weights may fill before they come from memory."""

    @property
    def call_us(self) -> float:
        """Of a run beyond its kernels."""

    def kernels(self, shape: Architecture, op: OpKey, workload: Workload) -> tuple[Kernel, ...]:
        """What an op runs."""

    def microseconds(self, kernel: Kernel, *, cached: bool) -> float:
        """Time of one kernel, its weights in the caches or in memory."""


_Maker = Callable[[HardwareProfile, Workload], Roofline]
_ROOFLINES: dict[DeviceKind, _Maker] = {"cpu": cpu_roofline, "android": cpu_roofline, "cuda": gpu_roofline}


def estimated_table(
    profile: HardwareProfile, teacher: Architecture, precision: Precision, workload: Workload
) -> LatencyTable:
    """Estimated cost of every candidate op of a teacher.

    Args:
        profile: Of the device, with its quantities.
        teacher: Shape whose cuts are covered.
        precision: Of all ops.
        workload: Batch, length and (on a CPU) threads.

    Raises:
        InputError: The profile does not run the precision or lacks a quantity that nothing can stand in for, or the
            teacher does not take inputs of that length.
    """
    if precision not in profile.precisions:
        raise InputError(
            f"expected a precision that {profile.name!r} runs ({', '.join(profile.precisions)}), got {precision}"
        )
    if workload.sequence_length > teacher.positions:
        raise InputError(
            f"--sequence-length: the teacher takes at most {teacher.positions} tokens, got {workload.sequence_length}"
        )
    roofline = _ROOFLINES[profile.kind](profile, workload)
    return check_table(
        LatencyTable(
            device=profile.name,
            runtime=profile.runtime,
            teacher=teacher,
            precision=precision,
            options=CompileOptions(workload.threads),
            workload=workload,
            entries=tuple(_entry(roofline, teacher, op, workload) for op in candidate_ops(teacher, precision)),
            calibration=Calibration(cache_bytes=roofline.cache_bytes, error_share=ERROR_SHARE),
            source="estimated",
        )
    )


def _entry(roofline: Roofline, teacher: Architecture, op: OpKey, workload: Workload) -> TableEntry:
    kernels = roofline.kernels(teacher, op, workload)
    call = roofline.call_us if op.kind == "stem" else 0.0

    def cost(*, cached: bool) -> Measured:
        value = call + sum(roofline.microseconds(kernel, cached=cached) for kernel in kernels)
        return Measured(value, ERROR_SHARE * value, samples=1)

    return TableEntry(op, cost(cached=True), cost(cached=False), weight_bytes(kernels))

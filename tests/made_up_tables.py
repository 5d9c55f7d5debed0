"""Latency tables with made-up costs, complete and valid, for tests that need no device."""

from tiny_models import tiny

from compressor.latency.candidates import candidate_ops
from compressor.latency.store import TableConditions
from compressor.records.architecture import OpKey, Precision
from compressor.records.latency import CompileOptions, LatencyTable, Measured, TableEntry, TableSource
from compressor.records.profile import DeviceFingerprint
from compressor.records.promise import Workload

TEACHER = tiny((3, 48), (3, 48))
WORKLOAD = Workload(batch=1, sequence_length=8, threads=1)
RUNTIME = "fake 1"

MACHINE = DeviceFingerprint(
    kind="cpu",
    model="Pocket 100",
    architecture="x86_64",
    flags=("avx", "avx2"),
    physical_cores=2,
    logical_cores=4,
    usable_cores=4,
    affinity_cores=4,
    cpu_quota=None,
    smt=True,
    governor="performance",
    memory_bytes=8_000_000_000,
    operating_system="Linux 6.1",
    virtualised=False,
)


def conditions(device: str = MACHINE.key, precision: Precision = Precision.FP32) -> TableConditions:
    """Of a tiny teacher on a machine with this key."""
    return TableConditions(device, RUNTIME, TEACHER, precision, CompileOptions(WORKLOAD.threads), WORKLOAD)


def made_up_table(
    wanted: TableConditions | None = None, *, source: TableSource = "measured", disturbed_share: float = 0.0
) -> LatencyTable:
    """A table that covers every candidate: 2 us and 0.1 us per unit of width, twice that uncached, 1 % error."""
    wanted = wanted or conditions()
    return LatencyTable(
        device=wanted.device,
        runtime=wanted.runtime,
        teacher=wanted.teacher,
        precision=wanted.precision,
        options=wanted.options,
        workload=wanted.workload,
        entries=tuple(_entry(op) for op in candidate_ops(wanted.teacher, wanted.precision)),
        source=source,
        disturbed_share=disturbed_share,
        seconds=1.5,
    )


def _entry(op: OpKey) -> TableEntry:
    cost = 2.0 + 0.1 * op.width
    return TableEntry(op, Measured(cost, 0.01 * cost, 30), Measured(2 * cost, 0.02 * cost, 12), 64 * op.width)

"""Tables of a device that is not here, and how far the same estimator is off on the CPU that is."""

from collections.abc import Sequence
from statistics import mean

from compressor.latency.provenance import estimate_error, estimate_notice
from compressor.latency.roofline import estimated_table
from compressor.latency.store import TableConditions, TableStore
from compressor.profiles import class_profile
from compressor.profiles.loading import load_profile
from compressor.profiles.matching import THIS_MACHINE
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import LatencyTable
from compressor.records.profile import DeviceFingerprint, HardwareProfile
from compressor.records.profiling import Profiled
from compressor.records.promise import Workload
from compressor.runtimes import open_device
from compressor.space import head_levels, neuron_levels

Pairs = Sequence[tuple[Precision, Workload]]


def estimated_profile(
    target: HardwareProfile, teacher: Architecture, pairs: Pairs, *, here: DeviceFingerprint, store: TableStore
) -> Profiled:
    """Estimated tables, with the notice that belongs beside each.

    Args:
        target: The absent device.
        teacher: Shape whose cuts are covered.
        pairs: A table for each precision and workload.
        here: This machine.
        store: Its measured tables, which the estimator is held against where there are any of this teacher.

    Raises:
        InputError: The hardware profile lacks a quantity that the estimator needs.
    """
    tables = tuple(estimated_table(target, teacher, precision, workload) for precision, workload in pairs)
    notice = estimate_notice(error_here(teacher, pairs, here=here, store=store))
    return Profiled(target.name, target.title, "estimated", tables, (False,) * len(tables), notice=notice)


def error_here(teacher: Architecture, pairs: Pairs, *, here: DeviceFingerprint, store: TableStore) -> float | None:
    """Mean absolute error in percent of estimates of this CPU, against its measured tables of the same shapes.

    Returns:
        None where no hardware profile describes this CPU, or none of the tables was measured on it.
    """
    described = class_profile(here)
    if described is None:
        return None
    errors = [
        estimate_error(table, estimated_table(described, teacher, table.precision, table.workload), shapes(teacher))
        for precision, workload in pairs
        if (table := _measured_here(teacher, precision, workload, here, store)) is not None
    ]
    return mean(errors) if errors else None


def _measured_here(
    teacher: Architecture, precision: Precision, workload: Workload, here: DeviceFingerprint, store: TableStore
) -> LatencyTable | None:
    """The kept table of this machine at the same batch and length, on all of its cores."""
    device = open_device(load_profile(THIS_MACHINE).runtime)
    local = Workload(workload.batch, workload.sequence_length, here.usable_cores)
    return store.find_any(
        TableConditions(here.key, device.runtime_of(options), teacher, precision, options, local)
        for options in device.option_variants(local.threads, precision)
    )


def shapes(teacher: Architecture) -> list[Architecture]:
    """Architectures between the smallest and the teacher: every depth, at all and at half of the levels of width."""
    heads, neurons = head_levels(teacher), neuron_levels(teacher)
    half = Layer(heads[len(heads) // 2], neurons[len(neurons) // 2])
    widths = (teacher.layers, (half,) * len(teacher.layers))
    return [teacher.with_layers(layers[:depth]) for layers in widths for depth in range(1, len(layers) + 1)]

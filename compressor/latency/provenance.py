"""How far an estimated table can be trusted, and the words that stand beside every number from one."""

from collections.abc import Sequence

from compressor.errors import BorderError
from compressor.latency.estimating import estimate
from compressor.records.architecture import Architecture
from compressor.records.latency import LatencyTable


def estimate_error(measured: LatencyTable, estimated: LatencyTable, shapes: Sequence[Architecture]) -> float:
    """Mean absolute relative error of whole architectures, in percent.

        100 x mean over shapes of |estimated / measured - 1|, each as `estimate` has it

    Args:
        measured: Of the device in hand.
        estimated: Of its class of devices, at the same workload and in the same precision.
        shapes: Architectures that both tables cover, at least one.

    Raises:
        BorderError: The tables are not a measured and an estimated one of the same conditions, or there is no shape.
        InputError: An op of a shape is in one of the tables only.
    """
    if (measured.source, estimated.source) != ("measured", "estimated"):
        raise BorderError(f"expected a measured and an estimated table, got {measured.source} and {estimated.source}")
    conditions = [(table.precision, table.workload) for table in (measured, estimated)]
    if conditions[0] != conditions[1] or not shapes:
        raise BorderError(f"expected tables of the same conditions and at least one shape, got {conditions}, {shapes}")
    errors = [abs(estimate(estimated, shape).value_us / estimate(measured, shape).value_us - 1) for shape in shapes]
    return 100 * sum(errors) / len(errors)


def estimate_notice(error_percent: float | None) -> str:
    """What is shown beside every estimate.

    Args:
        error_percent: Of the same estimator on the CPU in hand (`estimate_error`); None where it is not known.
    """
    known = (
        f"on this CPU the same estimator is off by {error_percent:.0f} % on average"
        if error_percent is not None
        else "how far the estimator is off on this CPU was not measured"
    )
    return f"estimated from data sheets (roofline); {known}"

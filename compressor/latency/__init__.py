"""Which ops an architecture runs, what each costs on the device, and what a whole architecture will take.

Building a table needs torch, and reading one does not: what builds is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from compressor.latency.estimating import estimate, model_bytes, recalibrated, summed
from compressor.latency.ops import attention_op, feed_forward_op, operations, stem_op
from compressor.latency.provenance import estimate_error, estimate_notice

if TYPE_CHECKING:
    from compressor.latency.building import METHOD, calibration_models, measure_table, refitted, refreshed
    from compressor.latency.candidates import candidate_ops, measured_ops
    from compressor.latency.roofline import estimated_table
else:
    _BUILDS = {
        "building": ("METHOD", "calibration_models", "measure_table", "refitted", "refreshed"),
        "candidates": ("candidate_ops", "measured_ops"),
        "roofline": ("estimated_table",),
    }

    def __getattr__(name: str) -> object:
        """A name of `_BUILDS`, as `from compressor.latency import name` asks for it."""
        for module, names in _BUILDS.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "METHOD",
    "attention_op",
    "calibration_models",
    "candidate_ops",
    "estimate",
    "estimate_error",
    "estimate_notice",
    "estimated_table",
    "feed_forward_op",
    "measure_table",
    "measured_ops",
    "model_bytes",
    "operations",
    "recalibrated",
    "refitted",
    "refreshed",
    "stem_op",
    "summed",
]

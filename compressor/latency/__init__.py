"""Which ops an architecture runs, what each costs on the device, and what a whole architecture will take."""

from compressor.latency.building import METHOD, calibration_models, measure_table, refitted, refreshed
from compressor.latency.candidates import candidate_ops, measured_ops
from compressor.latency.estimating import estimate, model_bytes, recalibrated, summed
from compressor.latency.ops import attention_op, feed_forward_op, operations, stem_op
from compressor.latency.provenance import estimate_error, estimate_notice
from compressor.latency.roofline import estimated_table

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

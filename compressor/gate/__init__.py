"""Is a new bundle slower than the last one, or worse? Both timed in turn, and compared without a clock. No torch."""

from compressor.gate.comparing import GateRequest, gate
from compressor.gate.outputs import GateOutputs

__all__ = ["GateOutputs", "GateRequest", "gate"]

"""Compile an ONNX graph for a device and run it; the one timing loop; exact statistics. Knows nothing of students."""

from compressor.runtimes.base import Clock, Device, Engine, Feeds
from compressor.runtimes.opening import open_device
from compressor.runtimes.samples import Samples
from compressor.runtimes.timing import Timings, engine_subject, time_alone, time_interleaved

__all__ = [
    "Clock",
    "Device",
    "Engine",
    "Feeds",
    "Samples",
    "Timings",
    "engine_subject",
    "open_device",
    "time_alone",
    "time_interleaved",
]

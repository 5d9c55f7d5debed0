"""The table of a quiet machine against the table beside a process that keeps one core busy."""

import os
import subprocess
import sys
from typing import Any

import numpy as np

from compressor.latency import estimate, measure_table
from compressor.latency.calibrating import calibration_shapes
from compressor.profiles import fingerprint
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import LatencyTable
from compressor.records.promise import Workload
from compressor.runtimes.local import LocalDevice

LENGTH = 32
SEED = 9
# Arithmetic and memory in turn, on the last core that this process may use; ends when whoever started it is gone.
BUSY = """
import os
import numpy as np
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
a, b, parent = np.ones((512, 512), np.float32), np.ones(4 * 2**20), os.getppid()
while os.getppid() == parent:
    a @ a
    b.sum()
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def drift_with_a_neighbour(teacher: Architecture) -> dict[str, Any]:
    """Mean absolute relative change of the ops' costs and of predicted latencies, int8, one thread."""
    quiet = _table(teacher)
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY], env={**os.environ, **ONE_THREAD})
    try:
        noisy = _table(teacher)
    finally:
        neighbour.kill()
        neighbour.wait()
    speed = quiet.yardstick_us / noisy.yardstick_us  # each table says for which speed of the core it holds
    pairs = zip(quiet.entries, noisy.entries, strict=True)
    costs = np.array([speed * b.cached.value_us / a.cached.value_us - 1 for a, b in pairs])
    shapes = calibration_shapes(teacher, quiet.workload, models=30, seed=SEED)
    whole = np.array([speed * estimate(noisy, s).value_us / estimate(quiet, s).value_us - 1 for s in shapes])
    return {
        "drift_percent": round(100 * float(np.abs(costs).mean()), 3),
        "bias_percent": round(100 * float(costs.mean()), 3),
        "predicted_drift_percent": round(100 * float(np.abs(whole).mean()), 3),
        "yardstick_us_quiet": round(quiet.yardstick_us, 2),
        "yardstick_us_noisy": round(noisy.yardstick_us, 2),
        "disturbed_share_quiet": quiet.disturbed_share,
        "disturbed_share_noisy": noisy.disturbed_share,
        "seconds_quiet": round(quiet.seconds, 1),
        "seconds_noisy": round(noisy.seconds, 1),
    }


def _table(teacher: Architecture) -> LatencyTable:
    device = LocalDevice()
    options = device.option_variants(1, Precision.INT8)[-1]
    return measure_table(device, fingerprint().key, teacher, Precision.INT8, options, Workload(1, LENGTH, 1))

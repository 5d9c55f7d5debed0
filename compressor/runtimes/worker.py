"""The fresh process that times one engine: `python -m compressor.runtimes.worker SPEC FEEDS SAMPLES`.

Loads neither torch nor onnx, so that nothing but the runtime is in the process.
"""

import json
import sys
from pathlib import Path

import numpy as np

from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice, read_feeds
from compressor.runtimes.timing import engine_subject, time_alone


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Time the engine that the spec names and write the raw times."""
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    options = CompileOptions(
        spec["options"]["threads"], tuple(spec["options"]["disabled_fusions"]), spec["options"]["optimise"]
    )
    device = LocalDevice()
    subject = engine_subject(device.compile(Path(spec["model"]), options), read_feeds(Path(feeds_path)))
    times, _ = time_alone(subject, clock=device.clock, seconds=spec["seconds"], yardstick=device.yardstick)
    np.save(samples_path, times)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The fresh process that times one engine: `python -m compressor.runtimes.worker SPEC FEEDS SAMPLES`.

Loads neither torch nor onnx, so that nothing but the runtime is in the process.
"""

import json
from pathlib import Path

from compressor.errors import UnavailableError
from compressor.profiles import usable_threads
from compressor.records.latency import CompileOptions
from compressor.records.serial import from_dict
from compressor.runtimes.fresh import read_feeds, run_worker
from compressor.runtimes.local import LocalDevice
from compressor.runtimes.timing import engine_subject, time_alone


def main(spec_path: str, feeds_path: str, samples_path: str) -> None:
    """Time the engine that the spec names and write the raw times with their yardstick.

    Raises:
        UnavailableError: The engine or the clock failed, or CPUs that the threads need were taken away.
    """
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    options = from_dict(CompileOptions, spec["options"])
    device = LocalDevice()
    subject = engine_subject(device.compile(Path(spec["model"]), options), read_feeds(Path(feeds_path)))
    samples = time_alone(subject, clock=device.clock, seconds=spec["seconds"], yardstick=device.yardstick)
    check_still_usable(options.threads)
    samples.save(Path(samples_path))


def check_still_usable(threads: int) -> None:
    """Refuse times that were measured while CPUs were taken away.

    Raises:
        UnavailableError: Fewer threads can run at once now than the engine has.
    """
    usable = usable_threads()
    if usable < threads:
        raise UnavailableError(
            f"CPUs were taken away during the measurement: the engine has {threads} threads, the process may use "
            f"{usable} CPUs now. Give them back (affinity, cgroup quota), or ask for fewer with --threads"
        )


if __name__ == "__main__":
    run_worker(main)

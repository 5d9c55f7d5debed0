"""Runs one model, in a peer's own environment or in ours; imports nothing but its runtime and numpy.

    python worker.py onnxruntime MODEL THREADS [disabled optimiser ...]
    python worker.py openvino MODEL THREADS [f32] [static]
    python worker.py compressor MODEL THREADS OPTIONS      options as JSON: our engine, as it ships

One JSON command per line on standard input, one JSON answer per line on standard output:

    {"do": "time", "feeds": "feeds.npz", "seconds": 0.25}      -> {"milliseconds": [...]}
    {"do": "answer", "rows": "rows.npz", "outputs": "out.npy"} -> {"rows": 2693}

`feeds.npz` has the inputs of a run, `rows.npz` flat `ids`, `type_ids` and `offsets` of rows that are run one by one.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Feeds = dict[str, Any]
Run = Callable[[Feeds], Any]
WARM_UP = 3
MOST_SHAPES = 4  # that are compiled one by one


def onnxruntime(path: str, threads: int, disabled: list[str]) -> Run:
    """A session with every fusion but some."""
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    session = ort.InferenceSession(
        path, settings, providers=["CPUExecutionProvider"], disabled_optimizers=disabled or None
    )
    names = [node.name for node in session.get_inputs()]
    return lambda feeds: session.run(None, {name: feeds[name] for name in names})[0]


def openvino(path: str, threads: int, options: list[str]) -> Run:
    """A compiled model in its default precision, which is bfloat16 where the processor has it, or in float32.

    With `static` it is compiled anew for each of the first shapes that occur, as who times one shape would do.
    """
    import openvino as ov
    from openvino import properties
    from openvino.properties import hint

    settings = {hint.performance_mode: hint.PerformanceMode.LATENCY, properties.inference_num_threads: threads}
    if "f32" in options:
        settings[hint.inference_precision] = ov.Type.f32
    model = ov.Core().read_model(path)
    names, requests = [each.any_name for each in model.inputs], {}

    def request_for(shape: tuple[int, ...] | None) -> Any:
        if shape not in requests:
            known = model.clone()
            if shape is not None:
                known.reshape({name: list(shape) for name in names})
            requests[shape] = ov.Core().compile_model(known, "CPU", settings).create_infer_request()
        return requests[shape]

    def run(feeds: Feeds) -> Any:
        shape = feeds[names[0]].shape if "static" in options else None
        if shape not in requests and len(requests) >= MOST_SHAPES:
            shape = None
        return next(iter(request_for(shape).infer({name: feeds[name] for name in names}).values()))

    return run


def compressor(path: str, threads: int, options: list[str]) -> Run:
    """An engine of a bundle."""
    from pathlib import Path

    from compressor.records.latency import CompileOptions
    from compressor.records.serial import from_dict
    from compressor.runtimes.local import LocalDevice

    chosen = from_dict(CompileOptions, {**json.loads(options[0]), "threads": threads})
    engine = LocalDevice().compile(Path(path), chosen)
    return lambda feeds: engine.run({name: feeds[name] for name in engine.inputs})


RUNTIMES = {"onnxruntime": onnxruntime, "openvino": openvino, "compressor": compressor}


def timed(run: Run, feeds: Feeds, seconds: float) -> list[float]:
    """Milliseconds of consecutive runs."""
    for _ in range(WARM_UP):
        run(feeds)
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        run(feeds)
        times.append(1e3 * (time.perf_counter() - begin))
    return times


def each_row(rows: Any) -> Iterator[Feeds]:
    """Inputs of one row after the other."""
    for start, end in zip(rows["offsets"][:-1], rows["offsets"][1:], strict=True):
        ids = rows["ids"][None, start:end].astype(np.int64)
        types = rows["type_ids"][None, start:end].astype(np.int64)
        yield {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}


def main() -> None:
    """Answer commands until there are no more."""
    runtime, path, threads, *options = sys.argv[1:]
    run = RUNTIMES[runtime](path, int(threads), options)
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "time":
            answer: Feeds = {"milliseconds": timed(run, dict(np.load(command["feeds"])), command["seconds"])}
        else:
            outputs = np.concatenate([run(feeds) for feeds in each_row(np.load(command["rows"]))])
            np.save(command["outputs"], outputs)
            answer = {"rows": len(outputs)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

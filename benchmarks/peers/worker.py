"""Runs one model, in a peer's own environment or in ours; imports nothing but its runtime and numpy.

    python worker.py onnxruntime MODEL THREADS [disabled optimiser ...]
    python worker.py openvino MODEL THREADS [f32] [static]
    python worker.py litert MODEL THREADS LENGTH ...       the model of the longest; the others lie beside it
    python worker.py compressor MODEL THREADS OPTIONS      options as JSON: our engine, as it ships

One JSON command per line on standard input, one JSON answer per line on standard output; the first one comes unasked,
when the model is loaded:

                                                               -> {"ready": true}
    {"do": "time", "feeds": "feeds.npz", "seconds": 0.25}      -> {"milliseconds": [...]}
    {"do": "answer", "rows": "rows.npz", "outputs": "out.npy"} -> {"rows": 2693}

`feeds.npz` has the inputs of a run, `rows.npz` flat `ids`, `type_ids` and `offsets` of rows that are run one by one.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Feeds = dict[str, Any]
Run = Callable[[Feeds], Any]
WARM_UP = 3
MOST_SHAPES = 4  # that are compiled one by one
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


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


def litert(path: str, threads: int, lengths: list[str]) -> Run:
    """A model for each of some lengths; inputs are padded up to the next of them, as who ships one would do."""
    from ai_edge_litert.interpreter import Interpreter

    longest = max(map(int, lengths))

    def loaded(length: int) -> Run:
        model = Interpreter(model_path=path.replace(f"-{longest}.", f"-{length}."), num_threads=threads)
        model.allocate_tensors()
        # Their names are in the order of the arguments, which the list need not be.
        details = sorted(model.get_input_details(), key=lambda each: each["name"])
        places = [(name, each["index"], each["dtype"]) for name, each in zip(INPUTS, details, strict=True)]
        output = model.get_output_details()[0]["index"]

        def run(feeds: Feeds) -> Any:
            short = length - feeds[INPUTS[0]].shape[1]
            for name, index, dtype in places:
                value = np.pad(feeds[name], ((0, 0), (0, short))) if short else feeds[name]
                model.set_tensor(index, value.astype(dtype))
            model.invoke()
            return model.get_tensor(output)

        return run

    models = {length: loaded(length) for length in sorted(map(int, lengths))}

    def run(feeds: Feeds) -> Any:
        found = feeds[INPUTS[0]].shape[1]
        if found > longest:
            raise ValueError(f"a row of {found} tokens, the longest model takes {longest}")
        return models[min(length for length in models if length >= found)](feeds)

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


RUNTIMES = {"onnxruntime": onnxruntime, "openvino": openvino, "litert": litert, "compressor": compressor}


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
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints is no answer

    def say(answer: Feeds) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    run = RUNTIMES[runtime](path, int(threads), options)
    say({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "time":
            say({"milliseconds": timed(run, dict(np.load(command["feeds"])), command["seconds"])})
        else:
            outputs = np.concatenate([run(feeds) for feeds in each_row(np.load(command["rows"]))])
            np.save(command["outputs"], outputs)
            say({"rows": len(outputs)})


if __name__ == "__main__":
    main()

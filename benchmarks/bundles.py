"""What users do with a bundle: verify it where torch is not installed, load it in optimum, call it a million times."""

import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import compressor
from benchmarks.commands import report_facts, run_command
from benchmarks.frontier import BUILT, LENGTH, TEACHER, pooled
from benchmarks.harness import CHECKOUT
from benchmarks.peers.environments import HERE, PEERS, Peer, PeerError, checked, python_of
from benchmarks.planted_faults import EMITTER, PASS, STATIC, Fault
from benchmarks.subjects import bench_of
from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.export import MANIFEST, REPORT
from compressor.export.graphs import final_graph
from compressor.pipeline.blocks import check_blocks
from compressor.precision import Ranges, quantise
from compressor.records.architecture import Precision
from compressor.records.results import Manifest, Report
from compressor.records.serial import load
from compressor.runtimes.local import OPENVINO, LocalDevice
from compressor.tasks import TextTokenizer
from compressor.verification.quantised import check_int8

CALLS, TEXT = 3000, ("a", "fine", "film")
CHECK_SECONDS = 600.0
ALIKE = 0.25  # of a logit: int8 graphs round differently from one version of a runtime to the next
SOURCES = tuple(CHECKOUT / name for name in ("compressor", "hardware_profiles", "pyproject.toml"))
CORE = Peer("core", (str(CHECKOUT),), (), torch=False, sources=SOURCES)  # our own package, without extras


def shipped(limit: str, folder: Path, *, most: str) -> dict[str, Any]:
    """`compressor compress` of MiniLM for SST-2 into a folder; engine and tokenizer in megabytes, words, speed-up.

    Args:
        limit: Of the latency, such as `1.5ms`.
        folder: For the bundle; what is there goes first, so that nothing older can be taken for it.
        most: `--max-size`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    given = ["compress", "--teacher", str(TEACHER), "--data", str(pooled("train")), "--threads", "1"]
    given += ["--sequence-length", str(LENGTH), "--max-latency", limit, "--max-accuracy-drop", "1.5"]
    row = run_command([*given, "--max-size", most, "--output", str(folder)]) | {"limit": limit}
    if row["exit_code"] not in BUILT:
        return row
    report = load(Report, folder / REPORT)
    size = report.verification.size
    facts = {
        "megabytes": round((size.engine_bytes + size.tokenizer_bytes) / 1e6, 3),
        "vocabulary": report.architecture.vocabulary if report.architecture else None,
        "speed_up": None if report.speed_up is None else round(report.speed_up, 2),
    }
    return row | facts | report_facts(folder)


def there(folder: Path) -> bool:
    """Whether a whole bundle is in a folder."""
    return (folder / MANIFEST).exists()


def verified_without_torch(bundle: Path) -> dict[str, Any]:
    """`compressor verify` in an environment that has our package without extras, but for the bundle's own runtime.

    What is decided is whether files, numerics and accuracy hold there; the verdict on the latency, which is that of
    any process on this machine, is said beside it.

    Raises:
        PeerError: The environment cannot be made.
    """
    peer = CORE
    if load(Manifest, bundle / MANIFEST).options.runtime == OPENVINO:
        peer = replace(CORE, name="core-openvino", requirements=(f"{CHECKOUT}[openvino]",))
    python = python_of(peer)
    alone = _alone(python, "-c", "import torch").returncode != 0
    done = _alone(python, "-m", "compressor", "verify", str(bundle), "--json")
    row = {"torch_is_there": not alone, "exit_code": done.returncode, "environment": peer.name}
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:  # its files are not those of the manifest, or it cannot be run
        return {**row, "holds": False, "output": [*done.stdout.splitlines()[-8:], *done.stderr.splitlines()[-8:]]}
    verdicts = {name: found[name]["verdict"] for name in ("numerics", "accuracy", "latency", "size")}
    holds = alone and verdicts["numerics"] == verdicts["accuracy"] == "met"
    p95_ms = round(found["latency"]["summary"]["p95_ms"], 4)
    return {**row, "verdicts": verdicts, "latency": verdicts["latency"], "p95_ms": p95_ms, "holds": holds}


def _alone(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In another environment, far from this checkout."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([python, *arguments], env=variables, capture_output=True, text=True, check=False, cwd="/")


def loaded_in_optimum(bundle: Path) -> dict[str, Any]:
    """Optimum's classes and pipelines on the bundle's portable model.

    Raises:
        PeerError: The environment cannot be made.
    """
    python = python_of(next(peer for peer in PEERS if peer.name == "optimum"))
    try:
        output = checked([python, HERE / "check_optimum.py", bundle], seconds=CHECK_SECONDS)
    except PeerError as error:
        return {"loads": False, "output": str(error).splitlines()[-8:]}
    found = json.loads(next(line for line in reversed(output.splitlines()) if line.startswith("{")))
    return {**found, "loads": found["largest_difference"] <= ALIKE}


def planted_faults() -> dict[str, Any]:
    """Mistakes of an emitter or a pass in MiniLM's graphs; which of them the checks of every export find."""
    bench, device = bench_of(TEACHER), LocalDevice()
    encoder = bench.canonical.encoder
    ids = np.random.default_rng(0).integers(1000, 20000, (3, 12))
    mask = (np.arange(12) < np.array([[12], [7], [3]])).astype(np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.arange(12)[None].repeat(3, 0) // 6}
    ranges = bench.ranges(encoder)
    missed = [name for name, fault in EMITTER.items() if not _found_in_blocks(encoder, fault, batch, device)]
    missed += [name for name, fault in PASS.items() if not _found_in_int8(encoder, fault, None, device)]
    missed += [name for name, fault in STATIC.items() if not _found_in_int8(encoder, fault, ranges, device)]
    return {"planted": len(EMITTER) + len(PASS) + len(STATIC), "missed": missed}


def _found_in_blocks(encoder: Encoder, fault: Fault, batch: dict[str, Any], device: LocalDevice) -> bool:
    model = final_graph(encoder, Precision.FP32)
    fault(model)
    try:
        check_blocks(encoder, model, batch, device)
    except BorderError:
        return True
    return False


def _found_in_int8(encoder: Encoder, fault: Fault, ranges: Ranges | None, device: LocalDevice) -> bool:
    """In the graph whose activations have these constant ranges; None = each its own, at run time."""
    precision = Precision.INT8 if ranges is None else Precision.INT8_STATIC
    fp32, model = final_graph(encoder, Precision.FP32), quantise(encoder.emit(), precision, ranges).model
    fault(model)
    try:
        check_int8(model, fp32, device, ranges=ranges)
    except BorderError:
        return True
    return False


def call_overhead(bundle: Path) -> dict[str, Any]:
    """Microseconds that a call takes beyond the tokenizer's and the engine's own, in turn."""
    predictor, tokenizer = compressor.load(bundle), TextTokenizer(bundle)
    engine, longest = predictor._engine, predictor.manifest.max_length
    plain = tokenizer._tokenizer
    text = " ".join(TEXT * 6)
    feeds = {
        name: value for name, value in tokenizer.feeds((text,), max_length=longest).items() if name in engine.inputs
    }
    times: dict[str, list[int]] = {"call": [], "tokenizer": [], "engine": []}
    steps = {
        "call": lambda: predictor([text]),
        "tokenizer": lambda: plain.encode_batch_fast([text]),
        "engine": lambda: engine.run(feeds),
    }
    for _ in range(CALLS):
        for name, step in steps.items():
            begin = time.perf_counter_ns()
            step()
            times[name].append(time.perf_counter_ns() - begin)
    middle = {name: statistics.median(found) / 1e3 for name, found in times.items()}
    return {
        **{f"{name}_us": round(value, 1) for name, value in middle.items()},
        "tokens": int(np.size(feeds["input_ids"])),
        "overhead_us": round(middle["call"] - middle["tokenizer"] - middle["engine"], 1),
    }

"""What users do with a bundle: verify it where torch is not installed, load it in optimum, call it a million times."""

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

import compressor
from benchmarks.commands import report_facts, run_command
from benchmarks.frontier import LENGTH, TEACHER, pooled
from benchmarks.harness import CHECKOUT
from benchmarks.peers.environments import HERE, PEERS, Peer, python_of
from benchmarks.planted_faults import EMITTER, PASS, Fault
from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.export.graphs import final_graph
from compressor.pipeline.blocks import check_blocks
from compressor.records.architecture import Precision
from compressor.runtimes.local import LocalDevice
from compressor.tasks import TextTokenizer
from compressor.teachers import load_teacher
from compressor.verification.quantised import check_int8

CALLS, TEXT = 3000, ("a", "fine", "film")
ALIKE = 0.25  # of a logit: int8 graphs round differently from one version of a runtime to the next
CORE = Peer("core", (str(CHECKOUT),), ())  # our own package, without extras


def shipped(limit: str, folder: Path, *, most: str | None = None) -> dict[str, Any]:
    """`compressor compress` of MiniLM for SST-2 into a folder; engine and tokenizer in megabytes.

    Args:
        limit: Of the latency, such as `1.5ms`.
        folder: For the bundle.
        most: `--max-size`.
    """
    given = ["compress", "--teacher", str(TEACHER), "--data", str(pooled("train")), "--threads", "1", "--force"]
    given += ["--sequence-length", str(LENGTH), "--max-latency", limit, "--max-accuracy-drop", "1.5"]
    row = run_command([*given, "--output", str(folder), *(["--max-size", most] if most else [])])
    report = folder / "report.json"
    if report.exists():
        size = json.loads(report.read_text(encoding="utf-8"))["verification"]["size"]
        row["megabytes"] = round((size["engine_bytes"] + size["tokenizer_bytes"]) / 1e6, 3)
    return row | report_facts(folder)


def verified_without_torch(bundle: Path) -> dict[str, Any]:
    """`compressor verify` in an environment that has our package without extras."""
    python = python_of(CORE)
    here = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode
    done = subprocess.run(
        [python, "-m", "compressor", "verify", str(bundle)], capture_output=True, text=True, check=False, cwd="/"
    )
    return {"torch_is_there": here == 0, "exit_code": done.returncode, "output": done.stdout.splitlines()[-8:]}


def loaded_in_optimum(bundle: Path) -> dict[str, Any]:
    """Optimum's classes and pipelines on the bundle's portable model."""
    python = python_of(next(peer for peer in PEERS if peer.name == "optimum"))
    done = subprocess.run(
        [python, HERE / "check_optimum.py", bundle], capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        return {"loads": False, "output": done.stderr.splitlines()[-8:]}
    found = json.loads(done.stdout.splitlines()[-1])
    return {**found, "loads": found["largest_difference"] <= ALIKE}


def planted_faults() -> dict[str, Any]:
    """Mistakes of an emitter or a pass in MiniLM's graphs; which of them the checks of every export find."""
    encoder, device = load_teacher(TEACHER).encoder, LocalDevice()
    ids = np.random.default_rng(0).integers(1000, 20000, (3, 12))
    mask = (np.arange(12) < np.array([[12], [7], [3]])).astype(np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.arange(12)[None].repeat(3, 0) // 6}
    missed = [name for name, fault in EMITTER.items() if not _found_in_blocks(encoder, fault, batch, device)]
    missed += [name for name, fault in PASS.items() if not _found_in_int8(encoder, fault, device)]
    return {"planted": len(EMITTER) + len(PASS), "missed": missed}


def _found_in_blocks(encoder: Encoder, fault: Fault, batch: dict[str, Any], device: LocalDevice) -> bool:
    model = final_graph(encoder, Precision.FP32)
    fault(model)
    try:
        check_blocks(encoder, model, batch, device)
    except BorderError:
        return True
    return False


def _found_in_int8(encoder: Encoder, fault: Fault, device: LocalDevice) -> bool:
    fp32, model = final_graph(encoder, Precision.FP32), final_graph(encoder, Precision.INT8)
    fault(model)
    try:
        check_int8(model, fp32, device)
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

"""ONNX Runtime on this machine: the contract, strictness, and what its optimiser made of a graph."""

import json
import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from contracts.runtime_contract import BATCH, SHAPE, RuntimeContract
from tiny_models import random_encoder, tiny

import compressor
from compressor.errors import InputError, ResourceError, UnavailableError
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import local, onnxruntime_cpu, worker
from compressor.runtimes.fresh import fresh_processes, read_feeds
from compressor.runtimes.local import LocalDevice


class TestLocalDevice(RuntimeContract):
    """This machine."""

    def device(self) -> LocalDevice:
        return LocalDevice()


def optimised(shape: Architecture, precision: Precision, tmp_path: Path) -> Counter[str]:
    """Operators in the file that `save_engine` wrote, each with its domain."""
    path = tmp_path / "engine.onnx"
    model = apply_precision(random_encoder(shape).emit(), precision)
    LocalDevice().save_engine(model.SerializeToString(), CompileOptions(1), path)
    return Counter(f"{node.domain}:{node.op_type}".removeprefix(":") for node in onnx.load_model(path).graph.node)


@pytest.mark.parametrize(
    ("shape", "products"),
    [
        # Q, K, V in one, output, two of the feed-forward; Q, K, V apart where only the first token is computed.
        (tiny((2, 32), (1, 16)), 4 + 6),
        (tiny((2, 0), (0, 16), (2, 32)), 2 + 2 + 6),
        (tiny((0, 16)), 2),
    ],
)
def test_every_int8_product_is_fused(shape: Architecture, products: int, tmp_path: Path) -> None:
    found = optimised(shape, Precision.INT8, tmp_path)
    assert found["com.microsoft:DynamicQuantizeMatMul"] + found["com.microsoft:MatMulIntegerToFloat"] == products
    assert found["MatMulInteger"] == 0
    attentions = sum(layer.heads > 0 for layer in shape.layers)
    assert found["MatMul"] + found["com.microsoft:FusedMatMul"] == 2 * attentions  # scores and context, in float32


def test_a_float32_graph_stays_in_float32(tmp_path: Path) -> None:
    found = optimised(SHAPE, Precision.FP32, tmp_path)
    assert not [name for name in found if "Quantize" in name or "Integer" in name]
    assert found["MatMul"] == 9 + 2 * 2


def test_the_name_has_the_version() -> None:
    assert LocalDevice().runtime == f"onnxruntime {onnxruntime.__version__}"


def test_a_saved_engine_is_loaded_as_it_is(tmp_path: Path) -> None:
    model = random_encoder(SHAPE).emit().SerializeToString()
    options = CompileOptions(2, ("SkipLayerNormFusion",))
    assert LocalDevice().save_engine(model, options, tmp_path / "e.onnx") == CompileOptions(2, (), optimise=False)


def test_idle_threads_of_an_engine_leave_the_cores_to_others() -> None:
    engine = LocalDevice().compile(random_encoder(SHAPE).emit().SerializeToString(), CompileOptions(2))
    engine.run(BATCH)
    begin = time.process_time()
    time.sleep(0.05)
    # By default the second thread waits for work in a loop for 45 ms.
    assert time.process_time() - begin < 0.02


def test_another_provider_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "get_providers", lambda _: ["AzureExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(UnavailableError, match=r"expected CPUExecutionProvider alone, onnxruntime .* took \['Azure"):
        onnxruntime_cpu.compile_model(random_encoder(SHAPE).emit().SerializeToString(), CompileOptions(1))


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(UnavailableError, match=r"(?s)fresh process failed with status 1: .*cannot load the graph"):
        LocalDevice().fresh_samples(tmp_path / "broken.onnx", [BATCH], CompileOptions(1), seconds=0.01, processes=1)


def test_a_module_that_is_not_there_says_so() -> None:
    with pytest.raises(UnavailableError, match=r"status 1: .*No module named compressor\.nothing"):
        fresh_processes("compressor.nothing", {}, [], processes=1)


def worker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A module `doomed` that fresh processes can run."""
    (tmp_path / "doomed.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(compressor.__file__).parents[1]}")


def test_a_process_that_the_system_kills_is_a_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker_that(tmp_path, monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ResourceError, match=r"the process was killed, as the system does when memory runs out: free"):
        fresh_processes("doomed", {}, [], processes=1)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGTERM"])
def test_a_process_that_dies_of_a_signal_is_a_device_that_is_gone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print("the last words", file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.{name})
"""
    worker_that(tmp_path, monkeypatch, code)
    message = rf"the process died of {name}: the last words; .* was taken away\. The same command continues"
    with pytest.raises(UnavailableError, match=message):
        fresh_processes("doomed", {}, [], processes=2)


def test_an_error_of_ours_ends_a_process_with_its_message_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from compressor.errors import UnavailableError
from compressor.runtimes.fresh import run_worker
def main(*paths):
    raise UnavailableError("the clock went backwards")
run_worker(main)
"""
    worker_that(tmp_path, monkeypatch, code)
    with pytest.raises(UnavailableError, match=r"failed with status 1: the clock went backwards$"):
        fresh_processes("doomed", {}, [], processes=1)


@pytest.mark.parametrize("call", ["compile", "save", "fresh"])
def test_more_threads_than_may_run_at_once_are_refused(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "usable_threads", lambda: 2)
    device, model, three = LocalDevice(), random_encoder(SHAPE).emit().SerializeToString(), CompileOptions(3)
    calls = {
        "compile": lambda: device.compile(model, three),
        "save": lambda: device.save_engine(model, three, tmp_path / "e.onnx"),
        "fresh": lambda: device.fresh_samples(tmp_path / "e.onnx", [BATCH], three, seconds=0.01, processes=1),
    }
    with pytest.raises(InputError, match=r"--threads: expected at most 2, the cores that this process may .* got 3"):
        calls[call]()
    assert not list(tmp_path.iterdir())
    device.compile(model, CompileOptions(2))


def test_cpus_that_are_taken_away_while_it_measures_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The affinity mask shrinks under a worker with two threads: it was fine to compile, its times mean nothing."""
    (tmp_path / "e.onnx").write_bytes(random_encoder(SHAPE).emit().SerializeToString())
    (tmp_path / "spec.json").write_text(
        json.dumps({"model": str(tmp_path / "e.onnx"), "options": asdict(CompileOptions(2)), "seconds": 0.01})
    )
    np.savez(tmp_path / "feeds.npz", **{f"0.{name}": value for name, value in BATCH.items()})
    monkeypatch.setattr(local, "usable_threads", lambda: 2)
    monkeypatch.setattr(worker, "usable_threads", lambda: 1)
    message = "CPUs were taken away .* the engine has 2 threads, the process may use 1 CPUs now. Give them back"
    with pytest.raises(UnavailableError, match=message):
        worker.main(*(str(tmp_path / name) for name in ("spec.json", "feeds.npz", "samples.npz")))
    assert not (tmp_path / "samples.npz").exists()


def test_the_worker_gets_inputs_in_order(tmp_path: Path) -> None:
    feeds = [{"input_ids": np.array([[index]]), "a.b": np.array([index])} for index in range(12)]
    np.savez(
        tmp_path / "f.npz", **{f"{i}.{name}": value for i, feed in enumerate(feeds) for name, value in feed.items()}
    )
    again = read_feeds(tmp_path / "f.npz")
    assert [sorted(feed) for feed in again] == [["a.b", "input_ids"]] * 12
    assert [int(feed["input_ids"][0, 0]) for feed in again] == list(range(12))

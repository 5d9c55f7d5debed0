"""Little memory is refused before it is needed; what runs out in the middle is said in words, and the run goes on."""

import errno
import os
from pathlib import Path

import pytest
import torch
from pipeline_runs import TIGHT, Ask, Run, Times, Whole, run_folder
from safetensors.torch import save_file
from tiny import Watcher

from compressor.errors import CompressorError, ExitCode, InfeasibleError, InputError, ResourceError, UnavailableError
from compressor.pipeline import distilling, workbench
from compressor.pipeline.exhaustion import exhaustion_explained
from compressor.pipeline.memory import PROCESS_BYTES, check_memory, float32_bytes, ladder_bytes, training_bytes
from compressor.records.architecture import Precision

MB = 10**6


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        full(),
        OSError(errno.EFBIG, "any text"),
        OSError("9000 requested and 1008 written"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        caused(CompressorError("a training process failed"), full()),
        caused(InputError("cannot make the folder"), full()),
    ],
    ids=str,
)
def test_a_full_disk_is_recognised(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(
            ResourceError, match=rf"the disk is full: .* MB for the cache \({tmp_path}.*XDG_CACHE_HOME"
        ) as caught,
        exhaustion_explained({"the cache": tmp_path / "not made yet"}),
    ):
        raise error
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:81] DefaultCPUAllocator: not enough memory: you tried to ..."),
        UnavailableError("measuring in a fresh process failed with status 1: ... std::bad_alloc"),
        caused(CompressorError("a training process failed"), RuntimeError("\nMemoryError\n")),
    ],
    ids=repr,
)
def test_too_little_memory_is_recognised(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(ResourceError, match=r"memory ran out: .* MB are available now"),
        exhaustion_explained({"the cache": tmp_path}),
    ):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        InputError("--data: no such folder"),
        OSError(errno.ENOENT, "gone"),
        ValueError("a bug"),
        InfeasibleError("no", nearest_ms=1.0, cost="2 points"),
    ],
    ids=repr,
)
def test_other_faults_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, exhaustion_explained({"the cache": tmp_path}):
        raise error
    assert caught.value is error


def test_training_takes_more_than_the_ladder_and_grows_with_the_ranks() -> None:
    weights = 440 * MB  # BERT-base
    assert ladder_bytes(weights) == PROCESS_BYTES + 4 * weights
    assert training_bytes(weights, ranks=4) == ladder_bytes(weights) + 4 * (PROCESS_BYTES + 3 * weights)


def test_weights_in_half_precision_count_as_what_they_are_loaded_to(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.float16):
        path = tmp_path / f"{dtype}.safetensors"
        save_file({"a": torch.zeros(3, 5, dtype=dtype), "b": torch.zeros(7, dtype=dtype)}, path, {"format": "pt"})
        assert float32_bytes(path) == 4 * (3 * 5 + 7)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "damaged.safetensors"])
def test_weights_without_a_header_count_as_their_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff" * 20)
    assert float32_bytes(tmp_path / name) == 20


def test_only_what_clearly_does_not_fit_is_refused() -> None:
    check_memory(1000 * MB, 501 * MB, what="it")
    with pytest.raises(
        ResourceError, match=r"^it takes about 1000\.0 MB of memory, found 499\.0 MB available .*; end"
    ):
        check_memory(1000 * MB, 499 * MB, what="it")


def test_a_teacher_that_does_not_fit_is_refused_before_it_is_loaded(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workbench, "available_memory", lambda: 100 * MB)
    monkeypatch.setattr(workbench, "open_teacher", lambda folder: pytest.fail("loaded"))
    with pytest.raises(ResourceError, match=r"compiling the teacher .* takes about .* found 100\.0 MB available"):
        run(ask(1.0))
    assert not (tmp_path / "bundle").exists()


def test_a_training_that_does_not_fit_is_refused_behind_the_ladder(
    ask: Ask, run: Run, teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    between = (ladder_bytes(0) + training_bytes(0, ranks=1)) // 4  # of what is clearly too little for each
    monkeypatch.setattr(workbench, "available_memory", lambda: between)
    watcher = Watcher()
    with pytest.raises(ResourceError, match="training a student takes about"):
        run(ask(TIGHT * teacher_ms[Precision.INT8]), watcher=watcher)
    assert watcher.begun == ["prepare", "ladder"]


def test_memory_that_runs_out_in_the_training_leaves_a_run_that_goes_on(
    whole: Whole, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(*args: object, **kwargs: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(ResourceError, match="memory ran out"):
        patched.setattr(distilling, "train", starved)
        run(whole.request)
    watcher = Watcher()
    run(whole.request, watcher=watcher)
    assert watcher.cached["search"]
    assert (run_folder(tmp_path / "cache") / "student.safetensors").read_bytes() == whole.student

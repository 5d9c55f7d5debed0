"""A bundle on the fake device: what is measured is what the device takes, and fresh processes really start."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle

from compressor.bench import bench_bundle, cold
from compressor.bench import bundle as measuring
from compressor.bench.bundle import SECONDS
from compressor.bench.shapes import BATCHES, length_buckets
from compressor.cli.app import run
from compressor.cli.bench import environment, in_words
from compressor.errors import BorderError, UnavailableError
from compressor.export import ENGINE, EVALUATION, EvaluationData
from compressor.profiles import fingerprint
from compressor.records.architecture import Precision
from compressor.records.bench import BenchResult, check_bench, share_left_out
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.records.serial import from_json
from compressor.runtimes.fake import FakeDevice
from compressor.tasks.feeds import workload_feeds
from compressor.verification import read_manifest


@pytest.fixture(scope="module")
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "bundle"
    folder.mkdir()
    make_bundle(folder, tiny_teacher, tiny_data)
    return folder


@pytest.fixture(scope="module")
def shares() -> list[float]:
    return []


@pytest.fixture(scope="module")
def result(bundle: Path, shares: list[float]) -> BenchResult:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(cold, "STARTS", 2)
        return bench_bundle(bundle, read_manifest(bundle), FakeDevice(), progress=shares.append)


@pytest.fixture
def virtual_ms(bundle: Path) -> Callable[[Any], float]:
    """Time of one run of the engine on some inputs."""
    device = FakeDevice()
    engine = device.compile(bundle / ENGINE, CompileOptions(1))

    def time_of(feeds: Any) -> float:
        begin = device.clock()
        engine.run(feeds)
        return (device.clock() - begin) / 1e6

    return time_of


def test_latency_is_that_of_the_device_at_the_workload(
    result: BenchResult, bundle: Path, virtual_ms: Callable[[Any], float]
) -> None:
    tokens = EvaluationData.load(bundle / EVALUATION).tokens
    expected = virtual_ms(workload_feeds(tokens, result.workload)[0])
    assert [p.percent for p in result.latency.percentiles] == [50, 90, 95, 99]
    for found in result.latency.percentiles:
        assert found.value_ms == found.low_ms == found.high_ms == pytest.approx(expected)
    assert (result.latency.processes, result.latency.disturbed_share) == (5, 0.0)
    assert result.latency.samples == pytest.approx(SECONDS / (expected / 1e3), rel=0.01)
    assert result.latency.rows_per_s == pytest.approx(1e3 / expected)


def test_lengths_cover_all_rows_and_longer_ones_take_longer(result: BenchResult, bundle: Path) -> None:
    lengths = EvaluationData.load(bundle / EVALUATION).tokens.lengths
    assert sum(part.share for part in result.lengths) == pytest.approx(1)
    assert result.lengths[0].shortest == lengths.min()
    assert result.lengths[-1].longest == lengths.max()
    assert all(a.longest < b.shortest for a, b in pairwise(result.lengths))
    medians = [part.p50_ms for part in result.lengths]
    assert medians == sorted(medians)
    assert medians[0] < medians[-1]


def test_batches_are_timed_at_the_length_of_the_workload(
    result: BenchResult, bundle: Path, virtual_ms: Callable[[Any], float]
) -> None:
    tokens = EvaluationData.load(bundle / EVALUATION).tokens
    assert tuple(found.batch for found in result.batches) == BATCHES
    for found in result.batches:
        shape = Workload(found.batch, result.workload.sequence_length, 1)
        expected = virtual_ms(workload_feeds(tokens, shape)[0])
        assert found.p50_ms == found.p95_ms == pytest.approx(expected)
        assert found.rows_per_s == pytest.approx(1e3 * found.batch / expected)


def test_a_process_starts_loads_and_answers_in_this_order(result: BenchResult) -> None:
    start = result.cold_start
    assert 0 < start.load_s < start.start_to_answer_s < 60
    assert start.processes == 2
    assert 0 < result.tokenisation.p50_us <= result.tokenisation.p95_us
    assert result.tokenisation.samples > 2


def test_progress_rises_to_one(result: BenchResult, shares: list[float]) -> None:
    assert result is not None
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_texts_are_those_of_the_rows(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    tokens = EvaluationData.load(bundle / EVALUATION).tokens
    (text,) = cold.texts_of(bundle, manifest, tokens)[0]
    assert "was" in text.split()
    pair = replace(manifest, task=replace(manifest.task, text_columns=("sentence1", "sentence2")))
    first, second = cold.texts_of(bundle, pair, tokens)[0]
    assert f"{first} {second}" == text


def test_a_bundle_that_does_not_start_says_why(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"(?s)starting the bundle .* failed with status 1: .*manifest\.json"):
        (tmp_path / "texts.json").write_text('[["x"]]')
        cold.seconds_to_answer([str(tmp_path), str(tmp_path / "texts.json"), str(tmp_path / "result.json")])


@pytest.mark.parametrize("lengths", [[7] * 9, list(range(1, 200)), [3, 3, 3, 90]], ids=["equal", "all", "one long"])
def test_buckets_are_a_partition_in_order(lengths: list[int]) -> None:
    of_rows = np.random.default_rng(0).permutation(lengths).astype(np.int64)
    buckets = length_buckets(of_rows)
    assert sorted(np.concatenate(buckets)) == list(range(len(lengths)))
    assert all(len(bucket) for bucket in buckets)
    assert all(of_rows[a].max() < of_rows[b].min() for a, b in pairwise(buckets))


def test_bounds_that_do_not_enclose_are_refused(result: BenchResult) -> None:
    wrong = replace(result.latency.percentiles[0], low_ms=2 * result.latency.percentiles[0].value_ms)
    with pytest.raises(BorderError, match="the bounds of a percentile must enclose it"):
        check_bench(replace(result, latency=replace(result.latency, percentiles=(wrong,))))
    for lengths in (2 * result.lengths, ()):
        with pytest.raises(BorderError, match="the shares of the lengths must add up to more than 0 and at most 1"):
            check_bench(replace(result, lengths=lengths))


def test_a_series_that_ends_early_says_which_rows_it_leaves_out(
    result: BenchResult, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert share_left_out(result.lengths) == 0
    assert "left out" not in in_words(result)
    monkeypatch.setattr(cold, "STARTS", 1)
    monkeypatch.setattr(measuring, "LONGEST_RUN_S", 0.0)
    short = bench_bundle(bundle, read_manifest(bundle), FakeDevice(), progress=lambda share: None)
    assert len(short.lengths) == len(short.batches) == 1
    longest = short.lengths[0].longest
    left = float((EvaluationData.load(bundle / EVALUATION).tokens.lengths > longest).mean())
    assert left > 0
    assert share_left_out(short.lengths) == pytest.approx(left)
    line = f"longer rows were left out: {100 * left:.1f} % have more than {longest} tokens"
    assert line in in_words(short).splitlines()


def test_the_command_prints_tables_or_one_document(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold, "STARTS", 1)
    assert run(["bench", str(bundle), "--json"]) == 0
    printed = capsys.readouterr()
    found = from_json(BenchResult, printed.out)
    assert found.workload == Workload(1, 16, 1)
    assert "bench: done in" in printed.err
    assert run(["bench", str(bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "the machine was disturbed for 0.0 % of the time"
    assert [line.split()[0] for line in lines[4:8]] == ["p50", "p90", "p95", "p99"]
    assert any(line.startswith("32 ") for line in lines)
    cold_start = next(i for i, line in enumerate(lines) if line.startswith("cold start: "))
    assert lines[cold_start + 2] == environment(found.device)
    assert lines[cold_start + 3 :] == list(found.notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_quota": 2.5, "smt": True, "governor": "powersave"}, "quota 2.5 CPUs, SMT on, governor powersave"),
        ({"cpu_quota": None, "smt": None, "governor": None}, "quota none, SMT unknown, governor unknown"),
    ],
)
def test_the_environment_that_timing_depends_on_is_said(changes: dict[str, Any], words: str) -> None:
    device = replace(fingerprint(), model="a CPU", affinity_cores=3, logical_cores=8, **changes)
    assert environment(device) == f"a CPU: 3 of 8 hardware threads, {words}"


@pytest.mark.heavy
def test_on_this_cpu(tiny_teacher: Path, tiny_data: Path, tmp_path: Path) -> None:
    from compressor.runtimes.local import LocalDevice

    make_bundle(tmp_path, tiny_teacher, tiny_data, precision=Precision.FP32)
    manifest = read_manifest(tmp_path)
    result = bench_bundle(tmp_path, manifest, LocalDevice(), progress=lambda share: None)
    assert result.latency.samples > 1000
    assert all(p.low_ms is not None and p.high_ms is not None for p in result.latency.percentiles)
    assert json.dumps(result.runtime).startswith('"onnxruntime')

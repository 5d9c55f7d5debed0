"""The ladder's rungs on a device with a virtual clock: every time is known, every output is real."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tiny_models import masked_batch, random_encoder, tiny

from compressor.export.graphs import final_graph
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.promise import Budget
from compressor.runtimes.fake import FakeDevice, FakeEngine
from compressor.search.ladder import LIMIT_MARGIN, climb, fastest_options, fresh_latency, keeps

SHAPE = tiny((2, 32), (2, 32))
FEEDS = [masked_batch(SHAPE, (8, 8), seed=seed) for seed in range(3)]
PLAIN = CompileOptions(1)


def model(precision: Precision = Precision.FP32) -> bytes:
    return final_graph(random_encoder(SHAPE), precision).SerializeToString()


class Choosy(FakeDevice):
    """A device with several compile options, each with its own surcharge in nanoseconds."""

    def __init__(self, surcharge_ns: Mapping[tuple[str, ...], float], *, noise: float = 0.0) -> None:
        super().__init__(noise=noise)
        self.surcharge_ns = surcharge_ns

    def option_variants(self, threads: int, precision: Precision | None = None) -> tuple[CompileOptions, ...]:
        return tuple(CompileOptions(threads, fusions) for fusions in self.surcharge_ns)

    def compile(self, model: bytes | Path, options: CompileOptions) -> FakeEngine:
        engine = super().compile(model, options)
        run = engine.run

        def slower(feeds: Mapping[str, np.ndarray]) -> np.ndarray:
            self.clock.advance(self.surcharge_ns[options.disabled_fusions])
            return run(feeds)

        engine.run = slower  # type: ignore[method-assign]
        return engine


@pytest.mark.parametrize("fast", [(), ("A",), ("A", "B")])
def test_the_fastest_options_are_chosen_wherever_they_stand(fast: tuple[str, ...]) -> None:
    surcharges = {fusions: 3e3 * (fusions != fast) for fusions in ((), ("A",), ("A", "B"))}
    device = Choosy(surcharges, noise=0.02)
    assert fastest_options(device, model(), FEEDS, 1, Precision.FP32) == CompileOptions(1, fast)


def test_a_difference_like_noise_is_no_choice() -> None:
    surcharges = {(): 300.0, ("A",): 0.0}  # of some 60 microseconds
    assert fastest_options(Choosy(surcharges), model(), FEEDS, 1, Precision.FP32) == PLAIN


def test_a_device_without_a_choice_is_not_timed() -> None:
    device = FakeDevice()
    assert fastest_options(device, model(), FEEDS, 1, Precision.FP32) == PLAIN
    assert device.clock() == 0


def test_the_fresh_latency_is_that_of_the_engine_file(tmp_path: Path) -> None:
    device = FakeDevice()
    begin = device.clock()
    device.compile(model(), PLAIN).run(FEEDS[0])
    alone_ms = (device.clock() - begin) / 1e6
    latency, samples = fresh_latency(device, model(), FEEDS, PLAIN, tmp_path, seconds=1.0)
    assert latency.p50_ms == latency.p95_ms == pytest.approx(alone_ms)
    assert latency.samples == samples.size
    assert latency.processes == 1
    assert not list(tmp_path.iterdir())


def test_every_rung_is_measured_and_judged_by_itself(tmp_path: Path) -> None:
    drops = {Precision.FP32: 0.0, Precision.INT8: 1.5}
    models = {precision: model(precision) for precision in drops}
    times = {
        p: fresh_latency(FakeDevice(), m, FEEDS, PLAIN, tmp_path, seconds=1.0)[0].p50_ms for p, m in models.items()
    }
    assert times[Precision.FP32] != times[Precision.INT8]
    between = Budget(max_latency_ms=sum(times.values()) / 2, max_accuracy_drop_points=1.0)
    asked: list[tuple[Precision, CompileOptions]] = []

    def drop_of(precision: Precision, options: CompileOptions) -> float:
        asked.append((precision, options))
        return drops[precision]

    rungs = climb(FakeDevice(), models, FEEDS, between, 1, drop_of, tmp_path)
    assert [rung.precision for rung in rungs] == list(models)
    assert asked == [(precision, PLAIN) for precision in models]
    assert [rung.latency.p50_ms for rung in rungs] == pytest.approx([times[p] for p in models])
    assert [rung.keeps_latency for rung in rungs] == [times[p] < sum(times.values()) / 2 for p in models]
    assert [rung.keeps_accuracy for rung in rungs] == [True, False]
    assert [rung.drop_points for rung in rungs] == [0.0, 1.5]


@pytest.mark.parametrize(
    ("limit_ms", "percentile", "expected"),
    [(None, 95.0, True), (1.0, 95.0, False), (1.0, 80.0, True), (2.0 / LIMIT_MARGIN, 95.0, True), (2.0, 95.0, False)],
    ids=["no limit", "the tail is over", "a lower percentile", "margin kept", "within the margin"],
)
def test_a_rung_keeps_the_limit_by_its_percentile_with_a_margin(
    limit_ms: float | None, percentile: float, expected: bool
) -> None:
    samples = np.array([500_000] * 89 + [2_000_000] * 11, dtype=np.int64)  # 11 % of the runs take 2 ms
    assert keeps(samples, Budget(max_latency_ms=limit_ms, percentile=percentile)) is expected

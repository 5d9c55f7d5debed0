"""Calibration on whole models: what it recovers from models whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import tiny

from compressor.latency.calibrating import MODELS, Whole, WholeModel, calibrate, calibration_shapes, rough_us
from compressor.latency.measuring import Bench
from compressor.records.architecture import Precision
from compressor.records.latency import Calibration, CompileOptions
from compressor.records.promise import Workload
from compressor.runtimes.fake import FakeDevice

CACHE = 32 * 2**20
WORKLOAD = Workload(1, 7, 1)


def wholes(truth: Calibration, *, largest: float, noise: float = 0.0, seed: int = 0) -> list[Whole]:
    """Models up to a size, which take what the truth says."""
    random = np.random.default_rng(seed)
    made = []
    for weights in np.geomspace(largest / 20, largest, MODELS):
        cached = weights / 10_000 * random.uniform(0.8, 1.2)
        uncached = cached * random.uniform(1.3, 2.0)
        share = truth.uncached_share(weights)
        ops = int(random.integers(2, 13))
        work = (1 - share) * cached + share * uncached + ops * truth.overhead_us
        time = truth.scale * work * (1 + noise * random.standard_normal())
        made.append(Whole(cached, uncached, weights, ops, time))
    return made


@pytest.mark.parametrize("scale", [0.95, 1.0, 1.08])
@pytest.mark.parametrize("overhead_us", [-8.0, 0.0, 25.0])
@pytest.mark.parametrize("cache_share", [0.25, 0.5, 1.0])
def test_scale_overhead_and_cache_are_recovered(scale: float, overhead_us: float, cache_share: float) -> None:
    truth = Calibration(scale, overhead_us, cache_share * CACHE)
    found = calibrate(wholes(truth, largest=3 * CACHE), CACHE)
    # Their priors draw both towards 1 and 0, but what they predict together is right.
    assert found.scale == pytest.approx(scale, rel=0.03)
    assert found.overhead_us == pytest.approx(overhead_us, rel=0.15, abs=1.2)
    assert found.cache_bytes == pytest.approx(cache_share * CACHE, rel=0.15)
    assert found.error_share < 0.01
    assert found.models == MODELS


def test_models_that_all_fit_say_nothing_of_the_cache_and_half_of_it_is_assumed() -> None:
    found = calibrate(wholes(Calibration(1.02), largest=CACHE / 50), CACHE)
    assert found.scale == pytest.approx(1.02, rel=0.002)
    assert found.cache_bytes == pytest.approx(CACHE / 2, rel=0.1)


def test_models_whose_visits_differ_count_less() -> None:
    truth = Calibration(cache_bytes=CACHE / 2)
    made = wholes(truth, largest=2 * CACHE)
    for index in (0, 3, 8):
        made[index] = replace(made[index], measured_us=1.5 * made[index].measured_us, error_share=0.4)
    found = calibrate(made, CACHE)
    assert found.scale == pytest.approx(1.0, rel=0.005)
    assert found.overhead_us == pytest.approx(0.0, abs=1.0)
    alike = [replace(whole, error_share=0.0) for whole in made]
    assert calibrate(alike, CACHE).overhead_us > 10


def test_what_the_models_do_not_agree_on_is_the_error() -> None:
    errors = [
        calibrate(
            wholes(Calibration(cache_bytes=CACHE / 2), largest=2 * CACHE, noise=0.03, seed=seed), CACHE
        ).error_share
        for seed in range(20)
    ]
    assert np.mean(errors) == pytest.approx(0.03, rel=0.3)


def test_the_models_cover_the_range_of_latencies_and_are_the_same_every_time() -> None:
    teacher = tiny(*((3, 48),) * 6)
    shapes = calibration_shapes(teacher, WORKLOAD)
    assert shapes == calibration_shapes(teacher, WORKLOAD)
    assert shapes != calibration_shapes(teacher, WORKLOAD, seed=1)
    shares = [rough_us(shape, WORKLOAD) / rough_us(teacher, WORKLOAD) for shape in shapes]
    assert shares[0] < 0.3  # one sub-layer and the stem
    assert shares[-1] > 0.9
    assert np.mean(np.array(shares) < 0.5) > 0.5
    assert all(any(layer.heads for layer in shape.layers) for shape in shapes)


def test_visits_of_a_model_count_alike_and_spread_into_its_error() -> None:
    device = FakeDevice()
    shape = tiny((2, 32))
    model = WholeModel.built(Bench(device, shape, CompileOptions(1), WORKLOAD), shape, Precision.FP32)
    model.visit(seconds=0.001)
    once = model.measured
    assert once.standard_error_us == pytest.approx(0.0, abs=0.01)

"""The floor of the benchmark of precisions: which products are counted, and that the fastest kernel is."""

from collections import Counter

import pytest
from tiny_models import tiny

from benchmarks.products import Floor, Kernel, in_words, products_of
from compressor.latency.work import Product
from compressor.records.architecture import Precision

INT8 = Product(7, 16, 32, Precision.INT8)
FP32 = Product(7, 8, 7, Precision.FP32, copies=2)


def test_all_positions_of_the_last_layer_count_where_a_plain_export_computes_them() -> None:
    shape = tiny((2, 32), (2, 32))
    plain, ours = (products_of(shape, 7, every_token=every) for every in (True, False))
    assert sum(count * product.operations for product, count in ours.items()) < sum(
        count * product.operations for product, count in plain.items()
    )
    assert plain[next(product for product in plain if product.copies == 2)] == 2 * 1
    assert {product.precision for product in plain} == {Precision.INT8, Precision.FP32}


def test_the_floor_is_the_sum_of_the_fastest_kernels_without_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"call": 5.0, "MatMulInteger": 20.0, "fused, quantised at run time": 15.0, "constant ranges": 30.0}
    monkeypatch.setattr(Kernel, "us", property(lambda self: times.get(self.name, 9.0)))
    floor = Floor([INT8, FP32])
    assert floor.fastest(INT8).name == "fused, quantised at run time"
    assert floor.ms(Counter({INT8: 3, FP32: 2})) == pytest.approx((3 * 10.0 + 2 * 4.0) / 1e3)
    assert floor.names[in_words(INT8)] == "fused, quantised at run time"


def test_every_kernel_is_timed_once_per_turn() -> None:
    floor = Floor([INT8, FP32])
    floor.turn()
    floor.turn()
    assert all(len(kernel.rounds) == 2 for kernels in floor._kernels.values() for kernel in kernels)
    assert floor.ms(Counter([INT8, FP32])) >= 0.0

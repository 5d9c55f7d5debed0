"""Which ops an architecture runs, and that the candidates cover all of them."""

from collections import Counter

import pytest
from tiny_models import tiny

from compressor.latency import attention_op, candidate_ops, feed_forward_op, operations, stem_op
from compressor.records.architecture import Architecture, OpKey, Precision
from compressor.space import head_levels, neuron_levels

FP32, INT8 = Precision.FP32, Precision.INT8
SHAPE = tiny((2, 32))


def attention(heads: int, *, first: bool = False, precision: Precision = INT8) -> OpKey:
    return OpKey("attention", heads, 16, 8, "", precision, first_token=first)


def feed_forward(neurons: int, *, first: bool = False, precision: Precision = INT8) -> OpKey:
    return OpKey("feed_forward", neurons, 16, 0, "gelu", precision, first_token=first)


STEM = OpKey("stem", 0, 16, 0, "", INT8, first_token=True)


@pytest.mark.parametrize(
    ("layers", "ops"),
    [
        ((), []),
        ([(2, 32)], [attention(2, first=True), feed_forward(32, first=True)]),
        ([(2, 0), (1, 0)], [attention(2), attention(1, first=True)]),
        (
            [(2, 32), (0, 16), (1, 48), (0, 64)],
            [
                *(attention(2), feed_forward(32), feed_forward(16)),
                *(attention(1, first=True), feed_forward(48, first=True), feed_forward(64, first=True)),
            ],
        ),
        ([(0, 16), (0, 32)], [feed_forward(16, first=True), feed_forward(32, first=True)]),
    ],
)
def test_the_stem_once_and_first_token_ops_from_the_last_attention_on(
    layers: list[tuple[int, int]], ops: list[OpKey]
) -> None:
    assert operations(tiny(*layers), INT8) == (STEM, *ops)


def test_precision_and_activation_are_part_of_the_op() -> None:
    relu = tiny((2, 32), activation="relu")
    assert operations(relu, FP32)[2].activation == "relu"
    assert not set(operations(relu, FP32)) & set(operations(relu, INT8))
    assert stem_op(relu, FP32) == stem_op(SHAPE, FP32)  # no activation of the layers in it
    assert attention_op(relu, 1, FP32, first_token=True) == attention(1, first=True, precision=FP32)
    assert feed_forward_op(SHAPE, 5, FP32, first_token=False) == feed_forward(5, precision=FP32)


@pytest.mark.parametrize("precision", Precision)
def test_every_candidate_once(precision: Precision) -> None:
    teacher = tiny((4, 48), (2, 32))
    heads, neurons = head_levels(teacher)[1:], neuron_levels(teacher)[1:]
    found = Counter(candidate_ops(teacher, precision))
    assert set(found.values()) == {1}
    assert len(found) == 1 + 2 * (len(heads) + len(neurons))


def test_a_per_token_model_has_another_stem_and_no_op_for_the_first_token_only() -> None:
    shape = tiny((2, 32), (0, 16), (1, 48), (0, 64), per_token=True)
    stem, *ops = operations(shape, INT8)
    assert stem == stem_op(shape, INT8) != STEM
    assert str(stem) != str(STEM)  # the key of a stored table is made of these
    assert ops == [
        *(attention(2), feed_forward(32), feed_forward(16)),
        *(attention(1), feed_forward(48), feed_forward(64)),
    ]
    teacher = tiny((4, 64), (4, 64), per_token=True)
    found = candidate_ops(teacher, INT8)
    assert not any(op.first_token for op in found)
    assert len(set(found)) == len(found) == 1 + 4 + len(neuron_levels(teacher)[1:])


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("first", [(4, 48), (0, 16), (1, 0)])
@pytest.mark.parametrize("second", [(4, 48), (0, 48), (3, 0)])
def test_candidates_cover_every_student(first: tuple[int, int], second: tuple[int, int], per_token: bool) -> None:
    teacher: Architecture = tiny((4, 48), (4, 48), per_token=per_token)
    student = tiny(first, second, per_token=per_token)
    assert set(operations(student, INT8)) <= set(candidate_ops(teacher, INT8))

"""What a student inherits: the teacher's function with the cut heads and neurons at zero."""

import numpy as np
import pytest
import torch
from tiny_models import masked_batch, onnx_logits, random_encoder, scaled_units, tiny, torch_logits

from compressor.encoder import INPUTS, Encoder, additive_mask
from compressor.errors import BorderError
from compressor.records.architecture import Cut, Layer, LayerCut
from compressor.space import head_levels, inherit, neuron_levels, student_architecture

SHAPE = tiny((4, 32), (3, 24), (2, 16))
TOLERANCE = 1e-5
WHOLE = Cut(tuple(LayerCut(tuple(range(layer.heads)), tuple(range(layer.neurons))) for layer in SHAPE.layers))


def random_cut(seed: int) -> Cut:
    """At least one unit of every sub-layer."""
    random = np.random.default_rng(seed)

    def some(width: int) -> tuple[int, ...]:
        return tuple(sorted(random.choice(width, size=random.integers(1, width + 1), replace=False).tolist()))

    return Cut(tuple(LayerCut(some(layer.heads), some(layer.neurons)) for layer in SHAPE.layers))


def masked_teacher(teacher: Encoder, cut: Cut, batch: dict[str, np.ndarray]) -> np.ndarray:
    """The teacher with everything that the cut does not keep multiplied by zero."""
    factors = []
    for layer, kept in zip(teacher.architecture.layers, cut.layers, strict=True):
        for width, indices in ((layer.heads, kept.heads), (layer.neurons, kept.neurons)):
            factors.append(torch.zeros(width))
            factors[-1][list(indices)] = 1.0
    with scaled_units(teacher, factors):
        return torch_logits(teacher, batch)


@pytest.mark.parametrize("seed", range(6))
def test_a_student_is_the_teacher_with_the_rest_at_zero(seed: int) -> None:
    teacher, batch, cut = random_encoder(SHAPE), masked_batch(SHAPE), random_cut(seed)
    student = inherit(teacher, cut)
    assert student.architecture.layers == cut.widths()
    expected = masked_teacher(teacher, cut, batch)
    np.testing.assert_allclose(torch_logits(student, batch), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(onnx_logits(student.emit(), batch), expected, rtol=0, atol=TOLERANCE)
    assert abs(expected - torch_logits(teacher, batch)).max() > 0.01  # the cut does something


def test_everything_kept_is_a_copy() -> None:
    teacher = random_encoder(SHAPE)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = inherit(teacher, WHOLE)
    assert list(student.state_dict()) == list(before)
    assert all(torch.equal(student.state_dict()[name], tensor) for name, tensor in before.items())
    assert not student.training
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.zero_()
    assert all(torch.equal(teacher.state_dict()[name], tensor) for name, tensor in before.items())


def test_units_keep_their_order() -> None:
    teacher = random_encoder(SHAPE)
    student = inherit(teacher, Cut((LayerCut((1, 3), (4, 9, 31)), *WHOLE.layers[1:])))
    ours, theirs = student.layers[0], teacher.layers[0]
    rows = [*range(8, 16), *range(24, 32)]
    for name in ("query", "key", "value"):
        assert torch.equal(getattr(ours.attention, name).weight, getattr(theirs.attention, name).weight[rows])
        assert torch.equal(getattr(ours.attention, name).bias, getattr(theirs.attention, name).bias[rows])
    assert torch.equal(ours.attention.output.weight, theirs.attention.output.weight[:, rows])
    assert torch.equal(ours.feed_forward.inner.weight, theirs.feed_forward.inner.weight[[4, 9, 31]])
    assert torch.equal(ours.feed_forward.output.weight, theirs.feed_forward.output.weight[:, [4, 9, 31]])
    assert torch.equal(ours.feed_forward.output.bias, theirs.feed_forward.output.bias)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_layer_that_keeps_nothing_is_gone(gone: int) -> None:
    """The student runs the teacher's other layers, one after the other."""
    teacher, batch = random_encoder(SHAPE), masked_batch(SHAPE)
    cut = Cut(tuple(LayerCut((), ()) if index == gone else kept for index, kept in enumerate(WHOLE.layers)))
    student = inherit(teacher, cut)
    assert len(student.layers) == 2
    with torch.inference_mode():
        ids, mask, types = (torch.from_numpy(batch[name]) for name in INPUTS)
        x = teacher.embeddings(ids, types)
        for index in {0, 1, 2} - {gone}:
            x = teacher.run_layer(index, x, additive_mask(mask))
        expected = teacher.head(x).numpy()
    np.testing.assert_allclose(torch_logits(student, batch), expected, rtol=0, atol=TOLERANCE)


def test_a_sub_layer_that_keeps_nothing_goes_with_its_norm() -> None:
    cut = Cut((LayerCut((), (0, 1)), LayerCut((2,), ()), WHOLE.layers[2]))
    student = inherit(random_encoder(SHAPE), cut)
    assert student.architecture.layers == (Layer(0, 2), Layer(1, 0), Layer(2, 16))
    names = {name.rsplit(".", 1)[0] for name in student.state_dict()}
    assert not any(name.startswith(("layers.0.attention", "layers.1.feed_forward")) for name in names)
    assert {"layers.0.feed_forward.norm", "layers.1.attention.norm"} <= names


def test_no_layer_at_all_can_be_left() -> None:
    student = inherit(random_encoder(SHAPE), Cut((LayerCut((), ()),) * 3))
    assert student.architecture.layers == ()
    assert torch_logits(student, masked_batch(SHAPE)).shape == (4, 3)


@pytest.mark.parametrize(
    "make", [lambda cut: student_architecture(SHAPE, cut), lambda cut: inherit(Encoder(SHAPE), cut)]
)
@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (WHOLE.layers[:2], "one entry per teacher layer: expected 3, got 2"),
        ((LayerCut((0, 4), ()), *WHOLE.layers[1:]), "layer 0: heads must be sorted, distinct and below 4"),
        ((LayerCut((), (3, 3)), *WHOLE.layers[1:]), "layer 0: neurons must be sorted, distinct and below 32"),
    ],
)
def test_a_faulty_cut_is_refused(make, layers: tuple[LayerCut, ...], message: str) -> None:
    with pytest.raises(BorderError, match=message):
        make(Cut(layers))


def test_head_levels_are_every_number_of_heads() -> None:
    assert head_levels(SHAPE) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("full", [16, 24, 100, 1536, 3072])
def test_neuron_levels(full: int) -> None:
    levels = neuron_levels(tiny((1, full), (1, 8)))
    assert (levels[0], levels[-1]) == (0, full)
    assert list(levels) == sorted(set(levels))
    assert all(level % 16 == 0 for level in levels[:-1])


def test_neuron_levels_of_the_usual_size() -> None:
    shares = [level / 1536 for level in neuron_levels(tiny((12, 1536)))]
    assert len(shares) == 15
    assert {0, 1 / 48, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1} <= set(shares)
    assert sum(share <= 1 / 4 for share in shares) >= len(shares) / 2  # dense where the small students live

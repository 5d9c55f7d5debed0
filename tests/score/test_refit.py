"""Refitted projections against a second formula, and on students whose lost units can be made up for exactly."""

import numpy as np
import pytest
import torch
from least_squares import projection_of, read_by, refitted
from tiny_models import masked_batch, random_encoder, tiny

from compressor.encoder import Encoder
from compressor.records.architecture import Cut, LayerCut
from compressor.score import Batch, Reference, refit
from compressor.score.refitting import Moments, level_projections, read_tokens
from compressor.space import inherit

SHAPE = tiny((3, 32), (3, 32), (3, 32), head_size=5, hidden=15)
WHOLE = LayerCut((0, 1, 2), tuple(range(32)))


def as_batch(lengths: tuple[int, ...], seed: int) -> Batch:
    rows = masked_batch(SHAPE, lengths, seed)
    return Batch(*(torch.from_numpy(rows[name]) for name in ("input_ids", "attention_mask", "token_type_ids")))


TEXT = [as_batch(tuple(2 + (i + seed) % 10 for i in range(24)), seed) for seed in range(6)]
OTHER_TEXT = [as_batch((9, 4, 11, 6, 7, 3), seed) for seed in range(20, 24)]


def outputs(encoder: Encoder, batches: list[Batch]) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([encoder(batch.ids, batch.mask, batch.type_ids) for batch in batches])


@pytest.mark.parametrize("index", [0, 2], ids=["all positions", "the first position"])
@pytest.mark.parametrize("attention", [True, False], ids=["attention", "feed-forward"])
def test_every_level_is_the_least_squares_solution(attention: bool, index: int) -> None:
    teacher = random_encoder(SHAPE)
    read = read_by(teacher, index, attention=attention, batches=TEXT)
    sub_layer = teacher.parts[2 * index + (not attention)]
    moments = Moments(read.shape[1])
    for part in np.array_split(read, 5):
        moments.add(torch.from_numpy(part.astype(np.float32)))
    size, units = (5, 3) if attention else (1, 32)
    order = np.random.default_rng(1).permutation(units)
    counts = list(range(1, units + 1, 1 if attention else 7))
    found = level_projections(sub_layer.output, moments, order.tolist(), counts, size=size)
    start = projection_of(sub_layer)
    goal = np.concatenate([np.ones((len(read), 1)), read], axis=1) @ start
    for count, level in zip(counts, found, strict=True):
        kept = np.isin(np.arange(units), order[:count]).repeat(size)
        expected = refitted(read, kept, start, goal)
        np.testing.assert_allclose(level.bias.numpy(), expected[0], atol=2e-4)
        np.testing.assert_allclose(level.weight.numpy(), expected[1:].T, atol=2e-4)
        assert not level.weight[:, ~torch.from_numpy(kept)].any()
        changed = np.abs(expected[1:][kept] - start[1:][kept]).max()
        assert (changed > 1e-2) == (count < units)


def test_a_whole_student_stays_what_it_is() -> None:
    teacher = random_encoder(SHAPE)
    cut = Cut((WHOLE, WHOLE, WHOLE))
    student = inherit(teacher, cut)
    refit(student, Reference(teacher, TEXT), cut)
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(student.state_dict()[name], value, rtol=0, atol=1e-4)


def twin_units(encoder: Encoder) -> Encoder:
    """The second half of the neurons, and the last head, compute what others do."""
    with torch.no_grad():
        for index in range(len(encoder.layers)):
            attention, feed_forward = encoder.layers[index].attention, encoder.layers[index].feed_forward
            for part in (attention.query, attention.key, attention.value):
                part.weight[10:] = part.weight[:5]
                part.bias[10:] = part.bias[:5]
            feed_forward.inner.weight[16:] = feed_forward.inner.weight[:16]
            feed_forward.inner.bias[16:] = feed_forward.inner.bias[:16]
    return encoder


def test_units_that_have_a_twin_are_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.score.refitting.RIDGE", 1e-7)
    teacher = twin_units(random_encoder(SHAPE))
    cut = Cut((LayerCut((0, 1), tuple(range(16))),) * 3)
    student = inherit(teacher, cut)
    expected = outputs(teacher, OTHER_TEXT)
    assert (outputs(student, OTHER_TEXT) - expected).abs().max() > 0.1
    refit(student, Reference(teacher, TEXT), cut)
    torch.testing.assert_close(outputs(student, OTHER_TEXT), expected, rtol=0, atol=5e-3)


CUTS = {
    "widths": Cut((LayerCut((0, 2), tuple(range(0, 32, 2))),) * 3),
    "no attention in the middle": Cut((WHOLE, LayerCut((), WHOLE.neurons), WHOLE)),
    "no feed-forward at the end": Cut((WHOLE, WHOLE, LayerCut((0, 1, 2), ()))),
    "a layer gone": Cut((WHOLE, LayerCut((), ()), LayerCut((1,), tuple(range(20))))),
    "the last layer gone": Cut((WHOLE, LayerCut((0, 1), tuple(range(20))), LayerCut((), ()))),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_a_refitted_student_is_nearer_to_its_teacher_on_other_text(cut: Cut) -> None:
    teacher = random_encoder(SHAPE)
    expected = outputs(teacher, OTHER_TEXT)
    student = inherit(teacher, cut)
    before = (outputs(student, OTHER_TEXT) - expected).square().mean()
    refit(student, Reference(teacher, TEXT), cut)
    after = (outputs(student, OTHER_TEXT) - expected).square().mean()
    assert after < 0.8 * before


def test_the_tokens_that_are_read_are_the_real_ones_or_the_first() -> None:
    batch = as_batch((3, 1, 5), 0)
    assert torch.equal(read_tokens(batch, first_only=False), batch.mask.bool())
    assert read_tokens(batch, first_only=True).nonzero().tolist() == [[0, 0], [1, 0], [2, 0]]

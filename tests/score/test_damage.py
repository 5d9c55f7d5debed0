"""Damage of every level against explicit forward passes of students that are really cut."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from least_squares import projection_of, read_by, refitted
from tiny_models import masked_batch, random_encoder, tiny, torch_logits

from compressor.encoder import Encoder
from compressor.records.architecture import Cut, Layer, LayerCut
from compressor.records.score import ScoredSpace
from compressor.score import Batch, affordable_rows, calibration_batches, passes_per_row, score_space
from compressor.score.divergence import divergence
from compressor.space import inherit
from compressor.tasks import Tokens

SHAPE = tiny((3, 32), (3, 32), (3, 32), head_size=5, hidden=15)
LENGTHS = (7, 3, 1, 5, 2, 6)
WHOLE = LayerCut((0, 1, 2), tuple(range(32)))
Rows = dict[str, np.ndarray]


@torch.no_grad()
def teacher() -> Encoder:
    """A random encoder whose logits are large enough to show every cut."""
    encoder = random_encoder(SHAPE)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.mul_(2)
            module.bias.zero_()
        elif isinstance(module, torch.nn.LayerNorm):
            module.bias.mul_(0.3)
    encoder.head.classifier.weight.mul_(2)
    return encoder


def batches() -> tuple[list[Batch], list[Rows]]:
    rows = [masked_batch(SHAPE, LENGTHS[:4], seed=1), masked_batch(SHAPE, LENGTHS[4:], seed=2)]
    names = ("input_ids", "attention_mask", "token_type_ids")
    return [Batch(*(torch.from_numpy(row[name]) for name in names)) for row in rows], rows


@pytest.fixture(scope="module")
def space() -> ScoredSpace:
    importance = [batches()[0][0]]
    return score_space(teacher(), importance, batches()[0])


def mean_divergence(p_logits: np.ndarray, q_logits: np.ndarray) -> float:
    """T^2 KL(p || q), T = 2, mean over rows, in float64."""

    def log_softmax(z: np.ndarray) -> np.ndarray:
        z = z.astype(np.float64) / 2
        return z - np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)) - z.max(-1, keepdims=True)

    p, q = log_softmax(p_logits), log_softmax(q_logits)
    return float(4 * (np.exp(p) * (p - q)).sum(-1).mean())


def refitted_student(encoder: Encoder, cut: Cut, fitting: list[Batch]) -> Encoder:
    """The student whose only sub-layer that lost units, but not all of them, is refitted."""
    student = inherit(encoder, cut)
    for index, layer in enumerate(cut.layers):
        for attention, units, width in ((True, layer.heads, 3), (False, layer.neurons, 32)):
            if 0 < len(units) < width:
                whole, mine = (model.layers[index] for model in (encoder, student))
                pair = (whole.attention, mine.attention) if attention else (whole.feed_forward, mine.feed_forward)
                read = read_by(encoder, index, attention=attention, batches=fitting)
                kept = np.isin(np.arange(width), units).repeat(5 if attention else 1)
                start = projection_of(pair[0])
                goal = np.concatenate([np.ones((len(read), 1)), read], axis=1) @ start
                found = torch.from_numpy(refitted(read, kept, start, goal).astype(np.float32))
                with torch.no_grad():
                    pair[1].output.bias.copy_(found[0])
                    pair[1].output.weight.copy_(found[1:][kept].T)
    return student


def damage_of(cut: Cut) -> float:
    models = (teacher(), refitted_student(teacher(), cut, [batches()[0][0]]))
    logits = [np.concatenate([torch_logits(model, row) for row in batches()[1]]) for model in models]
    return mean_divergence(*logits)


def only(index: int, cut: LayerCut) -> Cut:
    return Cut(tuple(cut if i == index else WHOLE for i in range(3)))


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_heads_cost_what_the_cut_student_loses(space: ScoredSpace, layer: int, level: int) -> None:
    score = space.layers[layer]
    kept = score.heads.kept(score.heads.levels[level])
    expected = damage_of(only(layer, LayerCut(kept, WHOLE.neurons)))
    assert score.heads.damage[level] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert level == 3 or expected > 1e-2  # the cut can be seen


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_neurons_cost_what_the_cut_student_loses(space: ScoredSpace, layer: int, level: int) -> None:
    assert space.layers[layer].neurons.levels == (0, 16, 32)
    score = space.layers[layer]
    kept = score.neurons.kept(score.neurons.levels[level])
    expected = damage_of(only(layer, LayerCut(WHOLE.heads, kept)))
    assert score.neurons.damage[level] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert level == 2 or expected > 1e-3


def test_nothing_cut_costs_nothing_and_no_damage_is_negative(space: ScoredSpace) -> None:
    for score in space.layers:
        assert score.heads.damage[-1] == pytest.approx(0, abs=1e-5)
        assert score.neurons.damage[-1] == pytest.approx(0, abs=1e-5)
        assert min(*score.heads.damage, *score.neurons.damage) >= 0


def test_the_cut_of_a_space_keeps_the_most_important_units(space: ScoredSpace) -> None:
    cut = space.cut((Layer(1, 16), Layer(0, 0), Layer(3, 32)))
    assert cut.layers[0].heads == space.layers[0].heads.order[:1]
    assert cut.layers[0].neurons == tuple(sorted(space.layers[0].neurons.order[:16]))
    assert cut.layers[1:] == (LayerCut((), ()), WHOLE)


def test_how_the_rows_are_batched_does_not_matter(space: ScoredSpace) -> None:
    singles = []
    for batch in batches()[0]:
        singles += [Batch(batch.ids[i : i + 1], batch.mask[i : i + 1], batch.type_ids[i : i + 1]) for i in range(2)]
        singles += [Batch(batch.ids[2:], batch.mask[2:], batch.type_ids[2:])] if len(batch.ids) > 2 else []
    again = score_space(teacher(), [batches()[0][0]], singles)
    for a, b in zip(space.layers, again.layers, strict=True):
        np.testing.assert_allclose(a.heads.damage, b.heads.damage, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(a.neurons.damage, b.neurons.damage, rtol=1e-3, atol=1e-5)


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    score_space(teacher(), batches()[0], batches()[0], progress=seen.append)
    assert seen == pytest.approx([5 / 9, 8 / 9, 1.0])


def test_the_passes_are_those_of_the_layers_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, batch = teacher(), batches()[0][0]
    ran: list[int] = []
    whole = Encoder.from_layer
    monkeypatch.setattr(
        Encoder, "from_layer", lambda self, start, *args: ran.append(3 - start) or whole(self, start, *args)
    )
    score_space(encoder, [batch], [batch])
    # One pass for the target and the three cut layers themselves are not seen here: between half a layer and one each.
    cuts = len(ran) - 1
    assert sum(ran) < 3 * passes_per_row(encoder.architecture) < sum(ran) + cuts


def test_affordable_rows_are_those_that_the_measured_pass_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("compressor.score.damage.time.monotonic", lambda: next(clock))  # every pass takes a second
    rows, per_row = len(batches()[0][1].ids), passes_per_row(teacher().architecture)
    assert affordable_rows(teacher(), batches()[0], 600) == int(600 * rows / per_row)


def test_a_student_is_scored_too_within_the_levels_of_its_teacher() -> None:
    student = random_encoder(tiny((2, 24), (0, 32), (3, 0), head_size=5, hidden=15))
    allowed = (0, 1, 2, 3), (0, 16, 32)
    space = score_space(student, batches()[0], batches()[0], levels=allowed)
    assert [score.heads.levels for score in space.layers] == [(0, 1, 2), (0,), (0, 1, 2, 3)]
    assert [score.neurons.levels for score in space.layers] == [(0, 16, 24), (0, 16, 32), (0,)]
    assert space.widths == student.architecture.layers
    gone = inherit(student, space.cut((Layer(2, 24), Layer(0, 0), Layer(3, 0))))
    logits = [np.concatenate([torch_logits(model, row) for row in batches()[1]]) for model in (student, gone)]
    assert space.layers[1].neurons.damage[0] == pytest.approx(mean_divergence(*logits), rel=1e-3)
    assert space.layers[1].neurons.damage[0] > 1e-3


def test_the_divergence_is_that_of_numpy_and_never_negative() -> None:
    random = np.random.default_rng(0)
    p, q = random.normal(size=(2, 40, 5)).astype(np.float32) * 3
    assert divergence(torch.from_numpy(p), torch.from_numpy(q)) == pytest.approx(40 * mean_divergence(p, q), rel=1e-5)
    tiny_difference = torch.from_numpy(p) * (1 + 1e-7)
    assert 0 <= divergence(torch.from_numpy(p), tiny_difference) < 1e-4


def other_teacher(**changes: Any) -> Encoder:
    """`teacher` with another head."""
    encoder = random_encoder(replace(SHAPE, **changes))
    body = {name: tensor for name, tensor in teacher().state_dict().items() if "head" not in name}
    encoder.load_state_dict(body, strict=False)
    return encoder


def damage_and_students(encoder: Encoder) -> Iterator[tuple[float, Encoder]]:
    """Some damages of a teacher, each with the student that is really cut like that."""
    space = score_space(encoder, batches()[0], batches()[0])
    for index, level in ((0, 1), (2, 0), (2, 2)):
        units = space.layers[index].heads
        cut = only(index, LayerCut(units.kept(units.levels[level]), WHOLE.neurons))
        yield units.damage[level], refitted_student(encoder, cut, batches()[0])
    for index, level in ((0, 0), (1, 1), (2, 1)):
        units = space.layers[index].neurons
        cut = only(index, LayerCut(WHOLE.heads, units.kept(units.levels[level])))
        yield units.damage[level], refitted_student(encoder, cut, batches()[0])


def test_the_damage_of_a_per_token_teacher_sums_the_real_tokens_of_a_row() -> None:
    encoder = other_teacher(per_token=True)
    for found, student in damage_and_students(encoder):
        expected = 0.0
        for rows in batches()[1]:
            real = rows["attention_mask"].astype(bool)
            ours, theirs = torch_logits(encoder, rows)[real], torch_logits(student, rows)[real]
            expected += mean_divergence(ours, theirs) * real.sum() / len(LENGTHS)
        assert found == pytest.approx(expected, rel=1e-3)
        assert expected > 1e-4  # the cut can be seen


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_the_damage_of_a_regression_is_the_lost_share_of_its_variance(scale: float) -> None:
    encoder = other_teacher(classes=1)
    with torch.no_grad():
        encoder.head.classifier.weight.mul_(scale)
    for found, student in damage_and_students(encoder):
        ours, theirs = (np.concatenate([torch_logits(m, rows) for rows in batches()[1]]) for m in (encoder, student))
        assert found == pytest.approx(np.square(ours - theirs).mean() / ours.var(), rel=1e-3)
        assert found > 1e-6


def test_a_regression_that_always_answers_the_same_has_no_damage() -> None:
    encoder = other_teacher(classes=1)
    with torch.no_grad():
        encoder.head.classifier.weight.zero_()
    space = score_space(encoder, batches()[0], batches()[0])
    assert {damage for score in space.layers for damage in (*score.heads.damage, *score.neurons.damage)} == {0.0}


def test_calibration_batches_hold_every_row_once_and_mask_the_padding() -> None:
    random = np.random.default_rng(3)
    lengths = random.integers(2, 12, size=50)
    ids = np.arange(lengths.sum(), dtype=np.int32)  # every token tells its row
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = Tokens(ids, (ids % 2).astype(np.uint8), offsets)
    assert len(calibration_batches(tokens, pad_id=-1, batch_tokens=10_000)) == 1
    wide = calibration_batches(tokens, pad_id=-1, batch_tokens=10_000, outputs_per_token=2**15)
    assert max(batch.ids.numel() for batch in wide) <= 2**20 // 2**15
    found = calibration_batches(tokens, pad_id=-1, batch_tokens=64)
    assert all(batch.ids.numel() <= 64 for batch in found)
    assert len(found) > 3
    real = torch.cat([batch.ids[batch.mask == 1] for batch in found])
    assert sorted(real.tolist()) == ids.tolist()
    for batch in found:
        assert (batch.ids[batch.mask == 0] == -1).all()
        assert torch.equal(batch.type_ids[batch.mask == 1], batch.ids[batch.mask == 1] % 2)

"""What the finalists of a race are judged by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pipeline_runs import Ask
from tiny import Watcher

from compressor.encoder import Encoder
from compressor.pipeline.nearness import Nearness
from compressor.pipeline.workbench import Workbench
from compressor.score import mean_divergence


@pytest.fixture
def bench(ask: Ask, tmp_path: Path) -> Workbench:
    return Workbench(ask(1.0), cache=tmp_path / "cache", observer=Watcher(), fresh=False)


@pytest.fixture
def student(bench: Workbench) -> Encoder:
    """The teacher without its last layer's feed-forward."""
    encoder = bench.canonical.encoder
    changed = Encoder(encoder.architecture).eval()
    changed.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        changed.parts[-1].output.weight.mul_(0.0)  # type: ignore[union-attr]
    return changed


def directly(bench: Workbench, nearness: Nearness, student: Encoder) -> float:
    outputs = (bench.fp32_outputs(encoder.emit(), nearness.tokens) for encoder in (bench.canonical.encoder, student))
    return mean_divergence("text-classification", *map(torch.from_numpy, outputs))


def test_finalists_are_judged_on_the_selection_part(bench: Workbench, student: Encoder) -> None:
    nearness = Nearness(bench)
    np.testing.assert_array_equal(nearness.tokens.ids, bench.selection.tokens.ids)
    assert nearness.divergence(bench.canonical.encoder) == pytest.approx(0.0, abs=1e-6)
    assert nearness.divergence(student) == pytest.approx(directly(bench, nearness, student), rel=1e-4)
    assert nearness.divergence(student) > 1e-4


def test_where_longer_texts_are_evaluated_it_is_on_joined_rows(bench: Workbench, student: Encoder) -> None:
    longest = bench.train.select(np.argsort(bench.train.lengths)[-5:])
    bench.__dict__["evaluation"] = replace(bench.evaluation, tokens=longest)
    nearness, rows = Nearness(bench), bench.selection.tokens
    assert len(nearness.tokens) == len(rows)
    assert nearness.tokens.lengths.mean() > 1.3 * rows.lengths.mean()
    assert set(nearness.tokens.ids) <= set(rows.ids)  # no strange words
    assert nearness.divergence(bench.canonical.encoder) == pytest.approx(0.0, abs=1e-6)
    assert nearness.divergence(student) == pytest.approx(directly(bench, nearness, student), rel=1e-4)

"""The eager baseline of every kind of teacher, in its own process: outputs in the order of the rows, and times."""

from pathlib import Path

import numpy as np
import pytest
import torch
from teachers.families import KINDS, LABELS, saved

from compressor.encoder import INPUTS
from compressor.records.task import TaskKind
from compressor.runtimes.samples import STRETCH_RUNS
from compressor.tasks import Tokens
from compressor.teachers import load_teacher
from compressor.teachers.eager import eager_baseline

LENGTHS = np.array([7, 2, 12, 5, 7])


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_the_canonical_encoder(kind: TaskKind, tmp_path: Path) -> None:
    saved("bert", tmp_path / "teacher", kind)
    ids = np.random.default_rng(0).integers(5, 120, size=LENGTHS.sum()).astype(np.int32)
    tokens = Tokens(ids, np.zeros(len(ids), np.uint8), np.concatenate([[0], np.cumsum(LENGTHS)]))
    tokens.save(tmp_path / "tokens")
    times, yardstick = eager_baseline(
        tmp_path / "teacher",
        [tokens.padded([0], 0)],
        tmp_path / "tokens",
        tmp_path / "outputs.npy",
        threads=1,
        seconds=0.2,
        pad_id=0,
    )
    assert len(times) > 0
    assert (times > 0).all()
    assert len(yardstick) == len(times) // STRETCH_RUNS
    encoder = load_teacher(tmp_path / "teacher").encoder
    expected = []
    for row in range(len(tokens)):
        batch = tokens.padded([row], 0)
        with torch.inference_mode():
            expected.append(encoder(*(torch.from_numpy(batch[name]) for name in INPUTS)).flatten(0, -2).numpy())
    found = np.load(tmp_path / "outputs.npy")
    assert found.dtype == np.float32
    assert found.shape == (len(ids) if kind == "token-classification" else 5, len(LABELS[kind]))
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-4)

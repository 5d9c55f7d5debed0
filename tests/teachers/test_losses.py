"""What teachers learn from, against numpy."""

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from compressor.records.task import TaskKind
from compressor.teachers.losses import LOSSES, fine_tuning_loss, label_loss, value_loss


def test_the_cross_entropy_is_summed_over_the_rows_that_have_a_label() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32) * 3
    labels = np.array([2, -100, 0, 3, -100, 1])
    rows = np.flatnonzero(labels >= 0)
    expected = -log_softmax(logits.astype(np.float64), axis=-1)[rows, labels[rows]].sum()
    assert label_loss(torch.from_numpy(logits), torch.from_numpy(labels)).item() == pytest.approx(expected, rel=1e-5)


def test_rows_without_any_label_cost_nothing_and_pull_nowhere() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = label_loss(logits, torch.full((3,), -100))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_the_squared_error_is_summed_over_the_rows() -> None:
    random = np.random.default_rng(0)
    outputs, values = random.normal(size=(5, 1)).astype(np.float32), random.normal(size=5) * 4
    found = value_loss(torch.from_numpy(outputs), torch.from_numpy(values))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(np.square(outputs[:, 0] - values).sum(), rel=1e-5)


def test_every_kind_of_task_has_its_loss() -> None:
    assert set(LOSSES) == set(get_args(TaskKind))
    assert fine_tuning_loss("regression") is value_loss
    assert fine_tuning_loss("text-classification") is fine_tuning_loss("token-classification") is label_loss

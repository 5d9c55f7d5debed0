"""Too little memory for a part of a batch: it is computed in several passes, and the training ends the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_jobs import SHORTAGES, Regression

from compressor.errors import ExitCode, ResourceError
from compressor.records.training import TrainPlan
from compressor.train import Trainer, train

PLAN = TrainPlan(steps=23, batch=8, learning_rate=0.05, ranks=1, seed=0)
SMALL = 1e-7  # loss so small that Adam does not hide a factor on the gradient


def weights(job: Regression, plan: TrainPlan = PLAN) -> dict[str, torch.Tensor]:
    trainer = Trainer(job, plan)
    trainer.run()
    return trainer.model.state_dict()


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        # The rows of a batch are summed in another order.
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, SMALL], ids=["clipped", "small"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("room", [7, 3, 1])
def test_passes_of_fewer_rows_add_up_to_the_same_steps(room: int, backward: bool, scale: float) -> None:
    whole = Regression(batch=8, scale=scale)
    assert_close(weights(replace(whole, room=room, backward=backward)), weights(whole))


def test_a_batch_that_does_not_halve_evenly_loses_no_row() -> None:
    plan = replace(PLAN, batch=7)
    assert_close(weights(Regression(batch=7, room=2), plan), weights(Regression(batch=7), plan))


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_it_is_said_how_many_rows_still_go_at_once(shortage: str) -> None:
    notes: list[str] = []
    Trainer(Regression(batch=8, room=3, shortage=shortage), PLAN, note=notes.append).run()
    assert notes == [
        f"memory ran out with {before} rows at once: from here on {before // 2} at once, and their gradients are "
        "added up to the same batch of 8, which takes longer"
        for before in (8, 4)
    ]


def test_the_reported_loss_is_that_of_the_whole_batch() -> None:
    reports: dict[int | None, list[float]] = {None: [], 3: []}
    for room, losses in reports.items():
        Trainer(Regression(batch=8, room=room), PLAN).run(report=lambda step, loss, to=losses: to.append(loss))
    assert reports[3] == pytest.approx(reports[None], rel=1e-5)


def test_with_room_for_all_rows_nothing_is_said_and_no_bit_differs() -> None:
    notes: list[str] = []
    trainer = Trainer(Regression(batch=8, room=8), PLAN, note=notes.append)
    trainer.run()
    assert notes == []
    for name, value in weights(Regression(batch=8)).items():
        assert torch.equal(trainer.model.state_dict()[name], value)


def test_too_little_for_one_row_names_the_batch_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ResourceError,
        match=r"expected room for a batch of 8 rows on 1 process.*even for one row.*; end other programs",
    ) as caught:
        train(Regression(batch=8, room=0), PLAN, tmp_path / "result")
    assert caught.value.exit_code is ExitCode.USAGE
    assert isinstance(caught.value.__cause__, MemoryError)


def test_ranks_halve_their_passes_and_it_is_told_once(tmp_path: Path) -> None:
    notes: list[str] = []
    plan = replace(PLAN, ranks=2, steps=7)
    train(Regression(batch=8), plan, tmp_path / "whole")
    train(Regression(batch=8, room=1), plan, tmp_path / "starved", note=notes.append)
    assert_close(load_file(tmp_path / "starved"), load_file(tmp_path / "whole"))
    assert [note.split(":")[0] for note in notes] == [f"memory ran out with {rows} rows at once" for rows in (4, 2)]


def test_a_rank_without_room_for_one_row_says_so_in_words(tmp_path: Path) -> None:
    plan = replace(PLAN, ranks=2)
    with pytest.raises(ResourceError, match=r"^memory ran out in training: expected room for a batch of 8 rows on 2"):
        train(Regression(batch=8, room=0), plan, tmp_path / "result")
    assert not (tmp_path / "result").exists()

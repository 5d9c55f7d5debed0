"""Who trains on which machine."""

import pytest
import torch

from compressor.train import Crew, crew_on, usable_gpus


@pytest.mark.parametrize(
    ("cores", "gpus", "crew"),
    [
        (1, 0, Crew(1)),
        (4, 0, Crew(4)),
        (16, 0, Crew(16)),
        (48, 0, Crew(16, threads=3)),
        (16, 1, Crew(1, threads=16, device="cuda")),
        (4, 8, Crew(8, device="cuda")),
    ],
)
def test_a_process_for_each_core_or_gpu(cores: int, gpus: int, crew: Crew) -> None:
    assert crew_on(cores, gpus=gpus) == crew


def test_the_gpus_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert usable_gpus() == 3
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable_gpus() == 0

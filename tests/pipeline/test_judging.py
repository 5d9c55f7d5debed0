"""The tail that students are planned for."""

from types import SimpleNamespace
from typing import Any

import pytest

from compressor.pipeline import judging
from compressor.pipeline.judging import SHARED_TAIL, PlannedTail


def judge_of(monkeypatch: pytest.MonkeyPatch, tails: list[float]) -> PlannedTail:
    """Measurements of a median of 1 ms that have these tails, one after the other: the model's, then the teacher's."""

    def measured(*_: object, **__: object) -> tuple[Any, float]:
        return SimpleNamespace(p50_ms=1.0), tails.pop(0)

    monkeypatch.setattr(judging, "fresh_percentile", measured)
    budget = SimpleNamespace(percentile=95.0)
    bench = SimpleNamespace(
        device=SimpleNamespace(shared=True),
        request=SimpleNamespace(budget=budget),
        teacher_model=lambda precision: b"",
    )
    rung = SimpleNamespace(tail=1.1, precision=None, options=None)
    return PlannedTail(bench, SimpleNamespace(workload=None), SimpleNamespace(fastest=rung))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tails", "planned"),
    [
        ([1.1, 1.2], SHARED_TAIL),
        ([1.1, 1.6], 1.6),  # longer than any before, but not unlikely: taken as it is
        ([1.1, 2.9, 1.3], 1.3),  # one burst, of which the second look knows nothing
        ([1.1, 2.9, 2.4], 2.4),  # bursts
        ([2.9, 1.2, 1.1], SHARED_TAIL),  # in the model's own measurement
    ],
    ids=["quiet", "longer", "one burst", "two bursts", "one in the model's"],
)
def test_a_tail_that_two_looks_have_in_common_is_planned_for(
    monkeypatch: pytest.MonkeyPatch, tails: list[float], planned: float
) -> None:
    judge = judge_of(monkeypatch, tails)
    assert judge.time(b"")[1] == pytest.approx(planned)
    assert not tails
    assert judge.tail == pytest.approx(planned)

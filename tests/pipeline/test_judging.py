"""The tail that students are planned for."""

from types import SimpleNamespace
from typing import Any

import pytest

from compressor.pipeline import judging
from compressor.pipeline.judging import SHARED_TAIL, PlannedTail


def judge_of(monkeypatch: pytest.MonkeyPatch, tails: list[float], *, met: tuple[float, ...] = ()) -> PlannedTail:
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
    return PlannedTail(bench, SimpleNamespace(workload=None), SimpleNamespace(fastest=rung), met)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tails", "planned"),
    [
        ([1.1, 1.2], SHARED_TAIL),
        ([1.6, 1.5], 1.5),  # that of the teacher, before anything else was measured, was 1.1: the middle of three
        ([1.1, 2.9], SHARED_TAIL),  # one burst
        ([2.9, 1.1], SHARED_TAIL),
    ],
    ids=["quiet", "longer", "one burst", "one in the model's"],
)
def test_a_first_trial_is_judged_by_what_measurements_have_in_common(
    monkeypatch: pytest.MonkeyPatch, tails: list[float], planned: float
) -> None:
    judge = judge_of(monkeypatch, tails)
    assert judge.time(b"")[1] == pytest.approx(planned)
    assert not tails
    assert judge.tail == pytest.approx(planned)


def test_one_burst_of_many_trials_decides_nothing_and_a_noisy_hour_does(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of(monkeypatch, [1.3, 1.3, 2.9, *[1.4] * 6])
    found = [judge.time(b"")[1] for _ in range(8)]
    assert max(found) == pytest.approx(1.4)
    noisy = judge_of(monkeypatch, [1.7] * 9)
    assert [noisy.time(b"")[1] for _ in range(8)][1:] == pytest.approx([1.7] * 7)


def test_a_tail_that_a_verification_met_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of(monkeypatch, [1.1] * 9, met=(1.45,))
    assert [judge.time(b"")[1] for _ in range(8)] == pytest.approx([1.45] * 8)

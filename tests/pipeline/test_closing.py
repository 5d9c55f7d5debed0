"""What is kept of the time budget for the stages behind a training."""

from types import SimpleNamespace

import numpy as np
import pytest

from compressor.pipeline.closing import closing_seconds
from compressor.pipeline.distilling import FINISHING_SECONDS, REPAIR_SECONDS, reserved_seconds
from compressor.pipeline.runner import STAGES
from compressor.records.promise import Budget
from compressor.verification.latency import SECONDS, seconds_of_look


def closing(*, tokens: int = 40_000, percentile: float = 95.0) -> dict[str, float]:
    evaluation = SimpleNamespace(tokens=SimpleNamespace(ids=np.zeros(tokens, dtype=np.int32)))
    request = SimpleNamespace(budget=Budget(percentile=percentile))
    bench = SimpleNamespace(evaluation=evaluation, request=request)
    return closing_seconds(bench, tokens_per_second=20_000.0)  # type: ignore[arg-type]


def test_they_are_the_last_stages_of_a_run() -> None:
    assert list(closing()) == list(STAGES)[-4:]


def test_all_but_the_report_take_longer_where_more_is_evaluated() -> None:
    usual, long = closing(), closing(tokens=4_000_000)
    passes = {name: (long[name] - usual[name]) / (3_960_000 / 20_000.0) for name in usual}
    assert passes == pytest.approx({"export": 2.0, "verify": 1.0, "compare": 4.0, "report": 0.0})


def test_a_rarer_slow_run_takes_longer_to_verify() -> None:
    rarer, usual = closing(percentile=99.0)["verify"], closing()["verify"]
    assert rarer - usual == pytest.approx(seconds_of_look(99.0) - SECONDS)
    assert rarer - usual > 60.0


def test_no_less_is_kept_than_usual_and_what_is_longer_twice() -> None:
    assert reserved_seconds(closing()) == FINISHING_SECONDS + REPAIR_SECONDS
    long = closing(tokens=4_000_000)
    longer = sum(long.values()) - FINISHING_SECONDS
    assert reserved_seconds(long) == pytest.approx(FINISHING_SECONDS + REPAIR_SECONDS + 2 * longer)

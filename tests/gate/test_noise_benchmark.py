"""What the benchmark of the gate makes of its traces and of its live gates."""

from typing import Any

import numpy as np

from benchmarks import gate_noise
from benchmarks.gate_noise import PLANTED, checks, replayed

Row = dict[str, Any]


def trace(percent: int, noise: float = 0.002) -> Row:
    """60 processes of an engine that takes so much longer."""
    random = np.random.default_rng(percent)
    head, base = np.log1p(percent / 100) + noise * random.standard_normal(60), noise * random.standard_normal(60)
    runs = 1e3 * (1 + noise * random.standard_normal((60, 24)))
    return {
        "logs": np.stack([head, base], axis=1).tolist(),
        "base_us": runs.tolist(),
        "head_us": ((1 + percent / 100) * runs).tolist(),
    }


def test_replays_of_clear_traces_are_decided_right() -> None:
    equal, slower = replayed(trace(0), 30), replayed(trace(5), 30)
    assert equal["pass"] == 100.0
    assert slower["fail"] == 100.0
    assert equal["previous run"] == slower["previous run"] == 0.0  # 5 % is below its threshold
    assert slower["Mann-Whitney"] > 90.0


def found(**whole: Any) -> list[Row]:
    """Rows of a run, made up."""
    cases = [(percent, busy) for busy in (False, True) for percent in PLANTED]
    rows: list[Row] = [{"kind": "widths"}]
    for percent, busy in cases:
        facts = {"planted": percent, "busy": busy}
        fail = 0.5 if percent == 0 else 99.5 - busy
        shares = {"fail": fail, "pass": 0.0, "inconclusive": 3.0, "previous run": 5.0, "Mann-Whitney": 10.0}
        rows += [
            {"kind": "replay", **facts, **shares},
            {"kind": "live", **facts, "gates": 5, "fail": 4 * (percent > 0)},
        ]
    rows += [{"kind": "whole", "exit_code": 0, "seconds": 31.0}, {"kind": "whole", "exit_code": 6, "seconds": 64.0}]
    rows[-1] |= whole
    return rows


def test_live_gates_stand_beside_their_replays() -> None:
    named = {check.name: check for check in checks(found())}
    assert named["false_alarm_percent"].value == 0.5
    assert named["detected_10_percent"].value == 98.5  # the worse of quiet and busy
    assert (named["live_false_alarm_percent"].value, named["live_detected_5_percent"].value) == (0.0, 80.0)
    assert named["live_detected_5_percent"].unit == "% of 10 live gates"


def test_the_longest_whole_gate_is_what_a_user_waits() -> None:
    named = {check.name: check for check in checks(found())}
    assert named["gate_seconds"].value == 64.0
    assert not named["gate_seconds"].as_dict()["met"]
    broken = {check.name: check for check in checks(found(exit_code=2, seconds=0.4))}
    assert broken["gate_seconds"].value is None


def test_half_of_the_whole_gates_are_disturbed() -> None:
    assert len(gate_noise.WHOLE) == 4
    assert sum(busy for _, busy in gate_noise.WHOLE) == 2

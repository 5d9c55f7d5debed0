"""What is said of a machine whose latencies are less steady than they could be."""

from dataclasses import replace
from typing import Any

import pytest
from profiles.test_matching import VNNI

from compressor.profiles import steadiness_notes

STEADY = replace(VNNI, smt=False, governor="performance", cpu_quota=None)


@pytest.mark.parametrize(
    "changes",
    [{}, {"governor": None}, {"smt": None}, {"cpu_quota": 4.0}],
    ids=["steady", "no governor", "no smt", "as many"],
)
def test_nothing_is_said_of_what_is_steady_or_unknown(changes: dict[str, Any]) -> None:
    assert steadiness_notes(replace(STEADY, **changes)) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"governor": "powersave"}, "the frequency governor is `powersave`"),
        ({"smt": True}, "two hardware threads share a core (SMT, 8 on 4 cores)"),
        ({"cpu_quota": 2.5}, "a cgroup quota of 2.5 CPUs holds this process, which may run on 4"),
    ],
)
def test_each_cause_has_its_sentence(changes: dict[str, Any], words: str) -> None:
    (note,) = steadiness_notes(replace(STEADY, **changes))
    assert words in note


def test_all_causes_are_said() -> None:
    assert len(steadiness_notes(replace(STEADY, governor="schedutil", smt=True, cpu_quota=1.0))) == 3

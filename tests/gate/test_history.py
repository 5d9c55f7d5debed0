"""A history of gates: lines that are added whole or not at all, and a picture that is drawn where it can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import InputError, UnavailableError
from compressor.gate import GateOutputs, history
from compressor.gate.history import append_history, check_history, draw_history
from compressor.profiles import fingerprint
from compressor.records.gate import (
    EngineFacts,
    GateCheck,
    GateResult,
    GateTimings,
    GateVerdict,
    Ratio,
)
from compressor.records.promise import Workload

LINE = {
    "date": "2026-11-20T10:00:00+00:00",
    "label": "abc",
    "verdict": "pass",
    "device": "a CPU",
    "base_ms": 1.0,
    "head_ms": 1.02,
    "ratio": 1.02,
    "low": 1.01,
    "high": 1.03,
    "operations": 1000,
    "bytes": 2000,
}


def result(verdict: GateVerdict = GateVerdict.PASS, *, timed: bool = True) -> GateResult:
    """A gate that ended so."""
    facts = EngineFacts("0", "4/64", "int8", Workload(1, 16, 1), {"int8": 1000}, {"Add": 3}, 2000)
    ratio = Ratio(1.02, 1.01, 1.03, 10)
    return GateResult(
        version="0",
        date="2026-11-22T10:00:00+00:00",
        label="",
        device=fingerprint(),
        runtime="fake 1",
        max_regression=0.05,
        timings=GateTimings(ratio, ratio, 1.0, 1.02, (1.02,) * 10, 12.0) if timed else None,
        base=facts,
        head=facts,
        checks=(GateCheck("latency", "1 ms", "1.02 ms", "", verdict),),
        verdict=verdict,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def test_lines_are_added_behind_those_that_are_there(path: Path) -> None:
    path.write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    check_history(path)
    for verdict in GateVerdict:
        append_history(result(verdict, timed=verdict is not GateVerdict.UNMEASURED), path)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == LINE
    assert [line["verdict"] for line in lines[1:]] == [str(verdict) for verdict in GateVerdict]
    assert (lines[-1]["head_ms"], lines[-1]["ratio"]) == (None, None)
    assert [file.name for file in path.parent.iterdir()] == ["history.jsonl"]  # nothing half-written is left


def test_every_verdict_can_be_drawn(path: Path) -> None:
    for verdict in GateVerdict:
        append_history(result(verdict, timed=verdict is not GateVerdict.UNMEASURED), path)
    assert "<svg" in draw_history(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("{", r"line 2 of .*history.jsonl is not JSON"),
        ("[1]", r"line 2 of .*history.jsonl: expected a JSON object, found \[1\]"),
        (json.dumps({**LINE, "verdict": "green"}), "line 2 of .* is not a valid HistoryLine: verdict"),
        (json.dumps({**LINE, "ratio": "1.02"}), "line 2 of .* is not a valid HistoryLine: ratio"),
        (json.dumps({**LINE, "speed": 1}), "line 2 of .* has no field speed"),
        ('{"verdict": "pass", "head_ms": 1.0}', "line 2 of .* is not a valid HistoryLine: date"),
    ],
)
@pytest.mark.parametrize("use", [check_history, lambda path: append_history(result(), path), draw_history])
def test_a_line_that_is_none_is_named_and_nothing_is_lost(
    path: Path, second: str, words: str, use: Callable[[Path], object]
) -> None:
    text = f"{json.dumps(LINE)}\n{second}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        use(path)
    assert path.read_text(encoding="utf-8") == text
    assert [file.name for file in path.parent.iterdir()] == ["history.jsonl"]


def test_lines_and_picture_need_two_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is where the picture goes"):
        check_history(tmp_path / "trend.svg")


def without_matplotlib(*_: Any) -> None:
    raise UnavailableError("the picture needs matplotlib, which is not installed: pip install 'compressor[compress]'")


def without_room(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("save", "words"),
    [(without_matplotlib, "pip install 'compressor[report]'"), (without_room, "No space left on device")],
)
def test_a_picture_that_cannot_be_drawn_is_a_note(
    path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[..., None], words: str
) -> None:
    monkeypatch.setattr(history, "save_picture", save)
    outputs = GateOutputs(record=path)
    outputs.check()
    (note,) = outputs.write(result())
    assert note.startswith(f"--record: {path} has its line, but no picture beside it: ")
    assert words in note
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1

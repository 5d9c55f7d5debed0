"""What the benchmark of searches and losses makes of its rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny

from benchmarks import nas_kd
from benchmarks.distilled import seconds_per_1000
from benchmarks.harness import Check
from benchmarks.nas_kd import FULL, PUBLISHED, QUICK, checks
from benchmarks.poster import layer_parameters, nearest_layer
from benchmarks.searched import gain, journalled, over_limit, unpacked, works
from compressor.encoder import Encoder
from compressor.records.architecture import Layer

Row = dict[str, Any]


def answers(right: np.ndarray) -> Row:  # type: ignore[type-arg]
    return {"answers": {"right": np.packbits(right).tobytes().hex(), "count": len(right)}}


def test_the_difference_of_two_engines_is_that_of_their_right_answers() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.random(2693) < 0.9, random.random(2693) < 0.85
    assert np.array_equal(unpacked(answers(ours)["answers"]), ours)
    points, interval = gain(answers(ours), answers(theirs))
    assert points == pytest.approx(100 * (ours.mean() - theirs.mean()))
    assert 0 < interval.low < points < interval.high < 10


def test_what_was_tried_is_read_from_the_whole_journal(tmp_path: Path) -> None:
    run = tmp_path / "compressor" / "runs" / "key"
    run.mkdir(parents=True)
    lines = [{"name": f"search.try {number}", "value": 0.1} for number in range(70)]
    lines += [{"name": "distil-assistant.steps", "value": 900}, {"name": "distil.steps", "value": 55}]
    (run / "choices.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    trials = [{"stage": "search", "name": "trial"}, {"stage": "verify", "name": "student"}]
    (run / "measurements.jsonl").write_text("".join(json.dumps(line) + "\n" for line in trials), encoding="utf-8")
    assert journalled(tmp_path) == {"tried": 70, "timed": 1, "steps": 55}
    (run / "choices.jsonl").unlink()
    assert journalled(tmp_path) == {"tried": 1, "timed": 1, "steps": 0}


def test_speed_does_not_count_the_start_of_the_processes() -> None:
    assert seconds_per_1000([(30.0, 10), (31.0, 20), (40.0, 110)], 32) == pytest.approx(10e3 / 3200)
    assert seconds_per_1000([(30.0, 400)], 32) is None
    assert seconds_per_1000([(30.0, 400), (30.1, 400)], 32) is None


@pytest.mark.parametrize("layer", [Layer(1, 16), Layer(4, 512), Layer(8, 1024), Layer(0, 64)])
def test_parameters_are_counted_without_a_layer(layer: Layer) -> None:
    shape = tiny((layer.heads, layer.neurons), hidden=128, head_size=32)
    built = sum(parameter.numel() for parameter in Encoder(shape).layers.parameters())
    assert layer_parameters(shape, layer) == built


def test_a_layer_of_the_same_size_has_the_usual_proportions_where_it_can() -> None:
    shape = tiny((1, 1), hidden=128, head_size=32)
    for wanted in (Layer(4, 512), Layer(2, 256)):
        assert nearest_layer(shape, layer_parameters(shape, wanted)) == wanted
    small = nearest_layer(shape, 30_000)  # less than four heads by themselves
    assert small.heads == 1
    assert layer_parameters(shape, small) == pytest.approx(30_000, rel=0.05)


def searched(search: str, **changes: Any) -> Row:
    right = np.arange(2693) % 10 > (search == "random")
    facts = {"exit_code": 0, "chosen": "student", "p95_ms": 1.9, "limit_ms": 2.0, "accuracy_points": 88.0, "steps": 80}
    return {**facts, "search": search, "tried": 9, **answers(right), **changes}


def rows() -> dict[str, Row]:
    """As of a whole run, made up."""
    found: dict[str, Row] = {
        "parity": {"blocks": ["a"]},
        "gradients": {"losses": list(FULL.losses)},
        "extending": {"loss": ["a", "b", "c"], "block": ["a", "b", "c"]},
    }
    for place, name in enumerate(dict.fromkeys((*PUBLISHED, *FULL.losses))):
        for seed in FULL.seeds:
            found[f"loss sst2 {name} {seed}"] = {"points": 85.0 + place + 0.1 * seed, "seconds_per_1000": None}
    for way, points in (("cells", 84.0), ("layers without KD", 82.0)):
        for seed in FULL.seeds:
            found[f"poster {way} {seed}"] = {"points": points + 0.1 * seed, "seconds_per_1000": 0.8}
    found |= {f"method {name}": {"works": True} for name in FULL.losses}
    for share in FULL.shares:
        found |= {f"search {share} {search}": searched(search) for search in FULL.searches}
    return found


def by_name(found: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_every_check_of_a_whole_run_can_be_written_as_json() -> None:
    named = by_name(checks(rows(), FULL))
    text = json.dumps([check.as_dict() for check in named.values()], allow_nan=False)
    assert "engines_over_limit" in text
    assert named["engines_over_limit"].as_dict()["met"]
    methods = named["every_method_runs_60_steps_exports_and_verifies"]
    assert methods.value == methods.limit == len(FULL.losses) + len(FULL.searches)
    assert named["nas_kd_beats_same_size_without_kd_points"].value == pytest.approx(2.0)
    assert named["kd_nas_beats_random_points_0.5"].value == pytest.approx(10.0, abs=0.1)
    assert named["published_order_held_sst2"].value == 10


def test_engines_that_were_not_built_keep_no_limit() -> None:
    found = {**rows(), "search 0.2 nas-kd": {"exit_code": 3, "limit_ms": 0.8, "tried": 0, "steps": 0}}
    named = by_name(checks(found, FULL))
    assert named["searches_that_built"].value == 9
    assert not named["engines_over_limit"].as_dict()["met"]
    assert named["engines_over_limit_of_those_built"].value == 0
    name = "every_method_runs_60_steps_exports_and_verifies"
    assert named[name].value == len(FULL.losses) + len(FULL.searches) - 1


def test_too_few_steps_and_a_slow_engine_are_found() -> None:
    assert not works(searched("exact", steps=59))
    assert not works(searched("exact", chosen="teacher, int8"))
    assert over_limit(searched("exact", p95_ms=2.1))
    assert not over_limit({"exit_code": 3})


def test_a_quick_run_has_no_interval_and_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    kept = ("parity", "gradients", "poster cells 0", "poster layers without KD 0", "loss sst2 no KD 0")
    some = {name: row for name, row in rows().items() if name in kept or name.startswith("loss sst2 vanilla-kd 0")}
    some |= {f"search 0.5 {search}": searched(search) for search in QUICK.searches}
    named = by_name(checks(some, QUICK))
    json.dumps([check.as_dict() for check in named.values()], allow_nan=False)
    assert named["nas_kd_over_same_size_without_kd_points"].limit is None
    nas_kd.show(some)
    shown = capsys.readouterr().out
    assert "inf" not in shown
    assert "nan" not in shown
    assert "pkd-skip (not here)" in shown

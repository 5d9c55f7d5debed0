"""Gates of bundles from end to end, on a device whose times are known; and every way to be green by accident."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bundles import edit_manifest, make_bundle, rehash

from compressor.cli.app import run
from compressor.errors import BorderError, InputError, UnavailableError
from compressor.export import EVALUATION, EvaluationData
from compressor.gate import GateRequest, comparing, gate, measuring
from compressor.gate.checks import static_checks
from compressor.gate.measuring import Measure, Side, Timed
from compressor.profiles import fingerprint
from compressor.records.architecture import Precision
from compressor.records.gate import (
    EngineFacts,
    GateCheck,
    GateLimits,
    GateResult,
    GateVerdict,
    check_gate,
    settled,
)
from compressor.records.observer import Silent
from compressor.records.promise import Budget, Workload
from compressor.records.serial import from_json, save, to_json
from compressor.report.gate import gate_junit, gate_lines, gate_markdown
from compressor.tasks import Targets
from compressor.verification import read_manifest

PASS, FAIL, INCONCLUSIVE = GateVerdict.PASS, GateVerdict.FAIL, GateVerdict.INCONCLUSIVE
UNMEASURED = GateVerdict.UNMEASURED


@pytest.fixture(scope="module")
def bundles(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny teacher in both precisions."""
    folder = tmp_path_factory.mktemp("gate")
    for precision in Precision:
        make_bundle(folder / str(precision), tiny_teacher, tiny_data, precision=precision)
    return {str(precision): folder / str(precision) for precision in Precision}


def virtual_pair(base: Timed, head: Timed) -> Measure:
    """A little noisy; float32 takes twice as long."""

    def cost_ns(engine: Timed) -> float:
        return 2e6 if engine.path.parent.name == "fp32" else 1e6

    costs = np.array([cost_ns(base), cost_ns(head), cost_ns(base)])[:, None]

    def measure(seed: int) -> np.ndarray:  # type: ignore[type-arg]
        noise = np.exp(np.random.default_rng(seed).normal(0.0, 0.01, size=(12, 3, 3)))
        return np.asarray(costs * noise, dtype=np.int64)

    return measure


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "fresh_pair", virtual_pair)


def gated(base: Path, head: Path, **settings: object) -> GateResult:
    limits = settings.pop("limits", GateLimits())
    request = GateRequest(base, head, limits, **settings)  # type: ignore[arg-type]
    return gate(request, observer=Silent())


def verdict_of(result: GateResult, name: str) -> GateVerdict | None:
    return next(check.verdict for check in result.checks if check.name.startswith(name))


def test_a_bundle_passes_against_itself(bundles: dict[str, Path]) -> None:
    result = gated(bundles["int8"], bundles["int8"])
    assert result.verdict is PASS
    assert result.timings is not None
    assert result.timings.ratio.value == pytest.approx(1.0, abs=0.01)
    assert verdict_of(result, "size") is None


def test_an_engine_that_lost_its_int8_fails_with_and_without_a_clock(bundles: dict[str, Path]) -> None:
    result = gated(bundles["int8"], bundles["fp32"])
    assert result.verdict is FAIL
    assert verdict_of(result, "latency") is FAIL
    assert verdict_of(result, "operations in int8") is FAIL
    untimed = gated(bundles["int8"], bundles["fp32"], seconds=0.0)
    assert untimed.verdict is FAIL
    assert untimed.timings is None
    assert gated(bundles["fp32"], bundles["int8"]).verdict is PASS


@pytest.mark.parametrize(
    ("shape", "operations", "verdict"),
    [
        ("2/64", {"fp32": 19, "int8": 81}, PASS),  # another shape has another share between activations
        ("2/64", {"fp32": 21, "int8": 79}, FAIL),
        ("2/64", {"fp32": 100}, FAIL),
        ("4/64", {"fp32": 11, "int8": 89}, FAIL),
        ("4/64", {"fp32": 9, "int8": 91}, PASS),
    ],
)
def test_only_products_that_left_int8_fail(
    bundles: dict[str, Path], shape: str, operations: dict[str, int], verdict: GateVerdict
) -> None:
    facts = gated(bundles["int8"], bundles["int8"], seconds=0.0).base
    base = replace(facts, architecture="4/64", operations={"fp32": 10, "int8": 90})
    head = replace(facts, architecture=shape, operations=operations)
    found = {check.name: check.verdict for check in static_checks(base, head, GateLimits(), timed=False)}
    assert found["operations in int8"] is verdict


def test_a_limit_of_its_own(bundles: dict[str, Path]) -> None:
    for limit_ms, verdict in ((100.0, PASS), (0.001, FAIL)):
        limits = GateLimits(max_latency_ms=limit_ms)
        assert verdict_of(gated(bundles["fp32"], bundles["fp32"], limits=limits), "latency limit") is verdict


def test_size_and_accuracy_have_limits(bundles: dict[str, Path]) -> None:
    most = gated(bundles["int8"], bundles["int8"], seconds=0.0).head.bytes
    for limit, verdict in ((most, PASS), (most - 1, FAIL)):
        limits = GateLimits(max_size_bytes=limit)
        assert verdict_of(gated(bundles["int8"], bundles["int8"], limits=limits, seconds=0.0), "size") is verdict


@pytest.fixture
def copied(bundles: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(bundles["int8"], tmp_path / "copied")


def test_a_head_that_answers_worse_fails(bundles: dict[str, Path], copied: Path) -> None:
    data = EvaluationData.load(copied / EVALUATION)
    wrong = Targets(1 - data.targets.values[: len(data.targets)])
    sure = np.where(np.eye(2)[wrong.values] > 0, 9.0, -9.0).astype(np.float32)
    replace(data, targets=wrong, teacher=sure).save(copied / EVALUATION)
    rehash(copied)
    result = gated(bundles["int8"], copied, seconds=0.0)
    assert verdict_of(result, "accuracy") is FAIL
    allowed = gated(bundles["int8"], copied, seconds=0.0, limits=GateLimits(max_accuracy_drop_points=100.0))
    assert verdict_of(allowed, "accuracy") is PASS


def test_a_stored_result_is_a_base_on_the_same_machine_only(bundles: dict[str, Path], tmp_path: Path) -> None:
    stored = tmp_path / "before.json"
    assert run(["gate", "--base", str(bundles["int8"]), "--head", str(bundles["int8"]), "--json"]) == 0
    result = gated(bundles["int8"], bundles["int8"])
    save(result, stored)
    slower = gated(stored, bundles["fp32"])
    assert slower.timings is not None
    assert slower.timings.stored_base
    assert verdict_of(slower, "latency") is FAIL
    # Of another hour: not even the same engine is known to be within 5 %.
    assert verdict_of(gated(stored, bundles["int8"]), "latency") is INCONCLUSIVE
    assert verdict_of(gated(stored, bundles["int8"], limits=GateLimits(max_regression=0.2)), "latency") is PASS

    elsewhere = replace(result, device=replace(result.device, model="another CPU"))
    save(elsewhere, stored)
    found = gated(stored, bundles["int8"])
    assert found.verdict is UNMEASURED
    assert any("'another CPU' there" in check.note for check in found.checks)
    save(replace(result, timings=None), stored)
    assert verdict_of(gated(stored, bundles["int8"]), "latency") is UNMEASURED


def test_nothing_measured_is_never_green(bundles: dict[str, Path], copied: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        gated(bundles["int8"], copied / "nowhere")
    data = EvaluationData.load(copied / EVALUATION)
    empty, rows = data.tokens.select(np.arange(0)), np.empty((0, 2), np.float32)
    EvaluationData(empty, Targets(np.empty(0, np.int64)), rows, rows, rows).save(copied / EVALUATION)
    rehash(copied)
    for base, head in ((copied, bundles["int8"]), (bundles["int8"], copied)):
        with pytest.raises(InputError, match="its evaluation data is empty"):
            gated(base, head)


def test_a_changed_file_or_another_workload_is_refused(bundles: dict[str, Path], copied: Path) -> None:
    edit_manifest(copied, workload=Workload(1, 24, 1))
    with pytest.raises(InputError, match=r"one workload, found the base at batch 1, length 16.* length 24"):
        gated(bundles["int8"], copied)
    (copied / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="has changed since it was verified"):
        gated(bundles["int8"], copied)


def test_a_result_that_judged_nothing_is_refused(bundles: dict[str, Path]) -> None:
    result = gated(bundles["int8"], bundles["int8"], seconds=0.0)
    idle = tuple(replace(check, verdict=None) for check in result.checks)
    with pytest.raises(BorderError, match="would always be green"):
        check_gate(replace(result, checks=idle))
    with pytest.raises(BorderError, match="is not that of the checks"):
        check_gate(replace(result, verdict=FAIL))


def test_the_smaller_budget_is_the_default_of_the_accuracy(
    bundles: dict[str, Path], copied: Path, tmp_path: Path
) -> None:
    def allowed(base: Path, head: Path) -> str:
        found = gated(base, head, seconds=0.0).checks
        return next(check.limit for check in found if check.name == "accuracy (accuracy)")

    edit_manifest(copied, budget=Budget(max_accuracy_drop_points=2.5))
    assert allowed(copied, copied) == "2.5 points below the teacher"
    assert allowed(bundles["int8"], copied) == allowed(copied, bundles["int8"]) == "1 points below the teacher"
    save(gated(bundles["int8"], bundles["int8"], seconds=0.0), tmp_path / "before.json")
    assert allowed(tmp_path / "before.json", copied) == "1 points below the teacher"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "regression", "label_names": ("score",)}, "the task 'text-classification' and the head with 'regr"),
        ({"metric": "f1"}, "the metric 'accuracy' and the head with 'f1'"),
        ({"label_names": ("no", "yes")}, "the labels 'negative, positive' and the head with 'no, yes'"),
    ],
)
def test_bundles_that_do_not_do_the_same_are_refused(
    bundles: dict[str, Path], copied: Path, changes: dict[str, object], words: str
) -> None:
    task = read_manifest(copied).task
    edit_manifest(copied, task=replace(task, **changes))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        gated(bundles["int8"], copied)


@pytest.mark.parametrize("name", ["teacher", "data"])
def test_the_accuracy_beside_another_teacher_or_other_data_is_unmeasured(
    bundles: dict[str, Path], copied: Path, name: str
) -> None:
    edit_manifest(copied, **{f"{name}_digest": "abc"})
    for limits in (GateLimits(), GateLimits(max_accuracy_drop_points=100.0)):
        result = gated(bundles["int8"], copied, limits=limits)
        assert result.verdict is verdict_of(result, "accuracy") is UNMEASURED
        note = next(check.note for check in result.checks if check.name.startswith("accuracy"))
        assert note.startswith(f"not comparable, another {name} (")
        assert "abc of the head" in note


def test_an_old_result_is_a_base_and_says_what_it_does_not_know(bundles: dict[str, Path], tmp_path: Path) -> None:
    result = gated(bundles["int8"], bundles["int8"])
    document = json.loads(to_json(result))
    known = {"engine_digest", "architecture", "precision", "workload", "operations", "nodes", "bytes"}
    document["head"] = {name: value for name, value in document["head"].items() if name in known}
    (tmp_path / "old.json").write_text(json.dumps(document), encoding="utf-8")
    found = gated(tmp_path / "old.json", bundles["int8"], limits=GateLimits(max_regression=0.2))
    assert found.verdict is PASS
    assert any("the stored base does not name its teacher and data" in check.note for check in found.checks)


def checked(base: EngineFacts, head: EngineFacts, *, timed: bool = False) -> dict[str, GateCheck]:
    return {check.name: check for check in static_checks(base, head, GateLimits(), timed=timed)}


def test_blocks_that_left_int8_are_named(bundles: dict[str, Path]) -> None:
    base = gated(bundles["int8"], bundles["int8"], seconds=0.0).base
    blocks = {**base.int8_blocks, "layer0.attention": 0.5, "layer1.feed_forward": 0.0}
    check = checked(base, replace(base, int8_blocks=blocks))["operations in int8"]
    assert check.verdict is FAIL
    assert check.note == "layer0.attention, layer1.feed_forward went from int8 to float32"
    # Of another shape blocks of one name need not be the same part of the teacher.
    assert checked(base, replace(base, int8_blocks=blocks, architecture="4/64"))["operations in int8"].verdict is PASS
    assert checked(replace(base, int8_blocks=blocks), base)["operations in int8"].verdict is PASS


def test_more_operations_fail_where_no_clock_knows_better(bundles: dict[str, Path]) -> None:
    base = gated(bundles["int8"], bundles["int8"], seconds=0.0).base
    head = replace(base, operations={kind: 2 * count for kind, count in base.operations.items()})
    assert checked(base, head)["operations"].verdict is FAIL
    beside = checked(base, head, timed=True)["operations"]
    assert (beside.verdict, beside.limit, beside.note) == (None, "", "+100.0 %")
    assert verdict_of(gated(bundles["int8"], bundles["int8"]), "operations") is None


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, FAIL),
        ({"runtime": "openvino"}, None),
        ({"kept": ("logits.product",)}, None),
        ({"precision": "fp32"}, None),
    ],
)
def test_nodes_are_compared_of_engines_that_are_alike(
    bundles: dict[str, Path], changes: dict[str, object], verdict: GateVerdict | None
) -> None:
    base = gated(bundles["int8"], bundles["int8"], seconds=0.0).base
    head = replace(base, nodes={**base.nodes, "Add": base.nodes["Add"] + 1}, **changes)  # type: ignore[arg-type]
    assert checked(base, head)["nodes of the engine"].verdict is verdict


def test_an_engine_with_more_threads_than_cores_is_compared_without_a_clock_only(
    bundles: dict[str, Path], copied: Path
) -> None:
    cores = fingerprint().usable_cores
    edit_manifest(copied, options=replace(read_manifest(copied).options, threads=cores + 1))
    for base, head in ((bundles["int8"], copied), (copied, bundles["int8"])):
        with pytest.raises(UnavailableError, match=f"{cores + 1} threads, and this process may use {cores}") as found:
            gated(base, head)
        assert "--threads" not in str(found.value)
        assert "--time 0s" in str(found.value)
        assert gated(base, head, seconds=0.0).verdict is PASS


def test_what_takes_long_is_told(bundles: dict[str, Path]) -> None:
    class Watching(Silent):
        def __init__(self) -> None:
            self.stages: list[str] = []
            self.moved: set[str] = set()

        def begin(self, stage: str, text: str) -> None:
            self.stages.append(stage)

        def progress(self, share: float, text: str = "") -> None:
            self.moved.add(self.stages[-1])

    watcher = Watching()
    request = GateRequest(bundles["int8"], bundles["int8"], GateLimits(max_latency_ms=100.0))
    gate(request, observer=watcher)
    assert watcher.stages == ["read", "gate", "limit", "accuracy"]
    assert watcher.moved == {"gate", "limit", "accuracy"}


Ways = Callable[[GateVerdict], GateResult]


@pytest.fixture
def ended(bundles: dict[str, Path]) -> Ways:
    """A result that ended so."""
    result = gated(bundles["int8"], bundles["int8"])

    def with_verdict(verdict: GateVerdict) -> GateResult:
        first = replace(result.checks[0], verdict=verdict, note="a | `b` <c> & d\ne")
        return check_gate(replace(result, checks=(first, *result.checks[1:]), verdict=verdict))

    return with_verdict


@pytest.mark.parametrize(
    ("verdict", "failures", "errors"), [(PASS, 0, 0), (FAIL, 1, 0), (INCONCLUSIVE, 0, 1), (UNMEASURED, 0, 1)]
)
def test_junit_counts_what_people_see(ended: Ways, verdict: GateVerdict, failures: int, errors: int) -> None:
    suite = ElementTree.fromstring(gate_junit(ended(verdict)))
    assert (suite.attrib["failures"], suite.attrib["errors"]) == (str(failures), str(errors))
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert len(suite.findall(".//failure")) == failures
    assert len(suite.findall(".//error")) == errors


def test_markdown_begins_with_the_verdict_and_keeps_its_columns(ended: Ways) -> None:
    lines = gate_markdown(ended(FAIL)).splitlines()
    assert lines[0] == "### ❌ compressor gate: fail"
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {7}
    assert "a &#124; &#96;b&#96; &lt;c&gt; &amp; d e" in table[2]
    assert any("head / base" in line for line in lines)


def test_the_last_line_is_the_verdict(ended: Ways) -> None:
    assert gate_lines(ended(INCONCLUSIVE))[-1] == "verdict: inconclusive"


@pytest.mark.parametrize(
    ("verdict", "flags", "code"),
    [
        (PASS, [], 0),
        (FAIL, [], 4),
        (INCONCLUSIVE, [], 6),
        (INCONCLUSIVE, ["--inconclusive", "pass"], 0),
        (INCONCLUSIVE, ["--inconclusive", "fail"], 4),
        (FAIL, ["--inconclusive", "pass"], 4),
        (UNMEASURED, [], 6),
        (UNMEASURED, ["--inconclusive", "pass"], 6),
        (UNMEASURED, ["--inconclusive", "fail"], 6),
    ],
)
def test_exit_codes(
    ended: Ways, verdict: GateVerdict, flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import compressor.gate as package

    monkeypatch.setattr(package, "gate", lambda request, observer: ended(verdict))
    assert run(["gate", "--base", "a", "--head", "b", *flags]) == code


@pytest.mark.parametrize(
    ("counts_as", "mark", "counts"),
    [(PASS, "✅", ("0", "0")), (FAIL, "❌", ("1", "0")), (INCONCLUSIVE, "❔", ("0", "1"))],
)
def test_what_noise_leaves_open_counts_as_one_thing_everywhere(
    ended: Ways, counts_as: GateVerdict, mark: str, counts: tuple[str, str]
) -> None:
    result = settled(ended(INCONCLUSIVE), counts_as)
    assert result.verdict is result.checks[0].verdict is counts_as
    assert ("inconclusive, counts as" in result.checks[0].note) == (counts_as is not INCONCLUSIVE)
    assert gate_markdown(result).startswith(f"### {mark} compressor gate: {counts_as}\n")
    suite = ElementTree.fromstring(gate_junit(result))
    assert (suite.attrib["failures"], suite.attrib["errors"]) == counts
    assert from_json(GateResult, to_json(result)) == result


def test_what_was_never_measured_counts_as_nothing_else(ended: Ways) -> None:
    result = ended(UNMEASURED)
    assert settled(result, PASS) == settled(result, FAIL) == result
    both = (result.checks[0], replace(result.checks[1], verdict=INCONCLUSIVE), *result.checks[2:])
    assert settled(replace(result, checks=both), PASS).verdict is UNMEASURED
    assert settled(replace(result, checks=both), FAIL).verdict is FAIL


@pytest.mark.parametrize("flag", ["--junit", "--markdown", "--record"])
@pytest.mark.parametrize("place", ["nowhere/file", "folder", "file/below"])
def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str, place: str
) -> None:
    import compressor.gate as package

    def never(request: GateRequest, observer: Silent) -> GateResult:
        raise AssertionError("it was measured")

    monkeypatch.setattr(package, "gate", never)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    assert run(["gate", "--base", "a", "--head", "b", flag, str(tmp_path / place)]) == 2
    assert f"{flag}: cannot " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"


def test_the_command_writes_what_ci_reads(
    bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {
        flag: tmp_path / name for flag, name in (("--junit", "a.xml"), ("--markdown", "a.md"), ("--record", "a.jsonl"))
    }
    flags = [part for flag, path in paths.items() for part in (flag, str(path))]
    command = ["gate", "--base", str(bundles["int8"]), "--head", str(bundles["int8"]), "--label", "abc", *flags]
    for _ in range(2):
        assert run([*command, "--json"]) == 0
    assert from_json(GateResult, capsys.readouterr().out.split("\n{")[-1].join(["{", ""])).verdict is PASS
    assert ElementTree.parse(paths["--junit"]).getroot().attrib["failures"] == "0"
    assert paths["--markdown"].read_text(encoding="utf-8").startswith("### ✅")
    history = [json.loads(line) for line in paths["--record"].read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in history] == ["abc", "abc"]
    assert "<svg" in paths["--record"].with_suffix(".svg").read_text(encoding="utf-8")


def test_a_history_that_is_none_is_not_overwritten(bundles: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "notes.jsonl"
    other.write_text('{"something": "else"}\n', encoding="utf-8")
    command = ["gate", "--base", str(bundles["int8"]), "--head", str(bundles["int8"]), "--time", "0s"]
    assert run([*command, "--record", str(other)]) == 2
    assert other.read_text(encoding="utf-8") == '{"something": "else"}\n'


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--max-regression", "5"], "--max-regression: expected a positive number with a unit"),
        (["--max-regression", "300%"], "--max-regression: expected at most 100%"),
        (["--time", "0s", "--max-latency", "5ms"], "give --table FILE"),
    ],
)
def test_bad_flags(bundles: dict[str, Path], flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gate", "--base", str(bundles["int8"]), "--head", str(bundles["int8"]), *flags]) == 2
    assert words in capsys.readouterr().err


def test_fresh_processes_time_real_engines(bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(measuring, "PROCESS_SECONDS", 0.05)
    engine = Side(bundles["fp32"], read_manifest(bundles["fp32"])).timed
    times = measuring.fresh_pair(engine, engine)(0)
    assert times.shape[1:] == (3, 3)
    assert len(times) >= 12
    assert (times > 0).all()

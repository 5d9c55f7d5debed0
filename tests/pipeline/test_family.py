"""Several limits: one engine each."""

from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import TIGHT, Ask, Times, Whole
from tiny import Watcher

from compressor.errors import ExitCode, InputError
from compressor.export import MANIFEST
from compressor.pipeline import compress_family, family_exit_code, scoring, tables
from compressor.records.architecture import Precision
from compressor.records.family import Family, Member
from compressor.records.serial import load


@pytest.fixture
def limits(teacher_ms: Times) -> tuple[float, float, float]:
    """One that the int8 teacher keeps, one that a student keeps, one that nothing keeps."""
    return 1.2 * teacher_ms[Precision.INT8], TIGHT * teacher_ms[Precision.INT8], 1e-6


@pytest.fixture
def begin(ask: Ask, whole: Whole, tmp_path: Path) -> Any:
    """`compress_family` with a cache of the test's own."""

    def start(limits_ms: tuple[float, ...], **options: Any) -> Family:
        options = {"cache": tmp_path / "cache", "observer": Watcher(), **options}
        return compress_family(ask(None, max_accuracy_drop_points=100.0), limits_ms, tmp_path / "family", **options)

    return start


def test_an_engine_per_limit_from_the_highest_to_the_lowest(
    begin: Any, limits: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = begin(limits[::-1])
    assert [member.limit_ms for member in found.members] == list(limits)
    assert [member.exit_code for member in found.members] == [ExitCode.MET, ExitCode.MET, ExitCode.INFEASIBLE]
    assert family_exit_code(found) is ExitCode.INFEASIBLE
    assert [report.chosen for member in found.members if (report := member.report)] == ["teacher, int8", "student"]
    assert "cannot be kept" in found.members[2].message
    folder = tmp_path / "family"
    bundles = {member.bundle for member in found.members if member.bundle}
    assert {entry.name for entry in folder.iterdir()} == {*bundles, "family.json", "frontier.svg"}
    assert all((folder / bundle / MANIFEST).is_file() for bundle in bundles)
    assert load(Family, folder / "family.json") == found
    with pytest.raises(InputError, match="is there and not empty"):
        begin(limits)


def test_scores_are_made_once_and_an_interrupted_family_goes_on(
    begin: Any, limits: tuple[float, ...], teacher_ms: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    whole = scoring.score_space

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return whole(*args, **kwargs)

    monkeypatch.setattr(scoring, "score_space", counted)
    lower = 0.9 * limits[1]

    def killed(member: Member, *args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("compressor.pipeline.family.check_family", killed)
        begin((limits[1], lower))
    watcher = Watcher()
    found = begin((limits[1], lower), observer=watcher)
    assert len(made) == 2  # of the teacher, and of the first student, which the second is cut out of
    first, second = (report.architecture for member in found.members if (report := member.report))
    assert len(first.layers) >= len(second.layers)
    assert sum(layer.neurons for layer in second.layers) < sum(layer.neurons for layer in first.layers)
    assert watcher.begun.count("distil") == 2
    assert all(watcher.cached.values())
    assert family_exit_code(found) is ExitCode.MET


@pytest.mark.heavy
def test_fresh_makes_anew_once_what_the_members_share(
    begin: Any, limits: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    measure = tables.measure_table

    def counted(*args: Any, **kwargs: Any) -> Any:
        measured.append(1)
        return measure(*args, **kwargs)

    monkeypatch.setattr(tables, "measure_table", counted)
    loose, tight, _ = limits
    begin((tight,))
    assert len(measured) == 1
    watcher = Watcher()
    found = begin((loose, tight, 0.9 * tight), fresh=True, force=True, observer=watcher)
    chosen = [report.chosen for member in found.members if (report := member.report)]
    assert chosen == ["teacher, int8", "student", "student"]
    assert len(measured) == 2  # not by the first, which needs none, and not again by the third
    assert watcher.begun.count("prepare") == 3
    assert not any(watcher.cached.values())


def test_the_same_limit_twice_is_refused(begin: Any) -> None:
    with pytest.raises(InputError, match="expected different limits, got 2 ms, 2 ms"):
        begin((2.0, 2.0))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((0, 0), 0), ((0, 6), 6), ((6, 3), 3), ((3, 4, 6), 4)],
)
def test_the_gravest_end_is_that_of_the_family(codes: tuple[int, ...], expected: int) -> None:
    members = tuple(Member(float(-i), code, None, None) for i, code in enumerate(codes))
    assert family_exit_code(Family(members)) == expected

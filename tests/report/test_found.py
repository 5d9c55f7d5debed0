"""What `compressor report` finds in a folder, and what it says where nothing is to be shown yet."""

from dataclasses import replace
from pathlib import Path

import pytest
from bundles import TASK, make_bundle
from made_up_report import made_up_report

from compressor.cli.app import run
from compressor.errors import InputError
from compressor.export import EVIDENCE, REPORT
from compressor.records.evidence import Evidence
from compressor.records.family import FAMILY_FILE, Family, Member
from compressor.records.results import COMPILED
from compressor.records.serial import save
from compressor.report.page import find, render_comparison
from compressor.report.page.frontier import frontier, frontier_of

HIGH = made_up_report()
LOW = replace(HIGH, budget=replace(HIGH.budget, max_latency_ms=1.25))


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Two limits with engines, and one without."""
    for name, evidence in (("2.5ms", Evidence(0.3)), ("1.25ms", Evidence(0.2))):
        (tmp_path / name).mkdir()
        save(evidence, tmp_path / name / EVIDENCE)
    members = (Member(2.5, 0, "2.5ms", HIGH), Member(1.25, 0, "1.25ms", LOW), Member(0.1, 3, None, None, "too low"))
    save(Family(members), tmp_path / FAMILY_FILE)
    return tmp_path


def test_a_bundle_has_its_answers(tiny_teacher: Path, tiny_data: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", tiny_teacher, tiny_data)
    save(replace(HIGH, task=TASK), tmp_path / "bundle" / REPORT)
    found = find(tmp_path / "bundle")
    assert len(found.answers.tables) == 1
    (run,) = found.runs
    assert run.evidence == Evidence()  # a bundle of an older version
    assert (run.name, run.folder) == ("bundle", str(tmp_path / "bundle"))


def test_several_limits_have_a_report_and_evidence_each(family: Path) -> None:
    found = find(family)
    assert [run.name for run in found.runs] == ["2.5ms", "1.25ms"]
    assert [run.report for run in found.runs] == [HIGH, LOW]
    assert [run.evidence for run in found.runs] == [Evidence(0.3), Evidence(0.2)]
    assert found.bundle == family / "2.5ms"


def test_limits_that_were_all_infeasible_are_said(tmp_path: Path) -> None:
    save(Family((Member(0.1, 3, None, None, "too low"),)), tmp_path / FAMILY_FILE)
    with pytest.raises(InputError, match="none of its limits was feasible"):
        find(tmp_path)


def test_a_run_in_the_cache(tiny_teacher: Path, tiny_data: Path, tmp_path: Path) -> None:
    save(Evidence(0.7), tmp_path / "prepare.json")
    save(Evidence(0.7), tmp_path / "ladder.json")
    with pytest.raises(InputError, match=r"has not come to its report; finished: prepare, ladder\. The command"):
        find(tmp_path)
    make_bundle(tmp_path / "bundle-2", tiny_teacher, tiny_data)
    report = replace(HIGH, task=TASK)
    save(report, tmp_path / "report-2.json")
    save(report, tmp_path / "bundle-2" / REPORT)
    save(Evidence(0.5), tmp_path / "bundle-2" / EVIDENCE)
    found = find(tmp_path)
    (run,) = found.runs
    assert (run.report, run.evidence, run.name) == (report, Evidence(0.5), tmp_path.name)
    assert len(found.answers.tables) == 1


def test_the_page_of_several_limits_shows_every_limit_and_the_teacher_once(family: Path) -> None:
    runs = find(family).runs
    names = [text.get_text() for text in frontier(frontier_of(runs)).axes[0].texts]
    assert names.count("limit") == 2
    assert {"2.5ms: student", "1.25ms: student"} < set(names)
    assert names.count(COMPILED) == 1
    page = render_comparison(runs)
    assert "<h1>2 runs</h1>" in page


def test_the_command_takes_several_limits(family: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(family), "--format", "md"]) == 0
    assert capsys.readouterr().out.count("**met: every promise") == 2

"""What there is to report in a folder: a bundle, the bundles of several limits, or a run in the cache."""

from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError
from compressor.export import EVALUATION, EVIDENCE, REPORT, EvaluationData
from compressor.records.evidence import Evidence
from compressor.records.family import FAMILY_FILE, Family
from compressor.records.results import Report
from compressor.records.serial import load
from compressor.report.page.answers import Answers, read_answers


@dataclass(frozen=True)
class Found:
    """In one folder.

    Attributes:
        reports: One, or one for each of several limits.
        evidence: Of the first.
        answers: Of the first; None where they are not at hand, or have no classes.
    """

    reports: tuple[Report, ...]
    evidence: Evidence
    answers: Answers | None = None


def find(folder: Path) -> Found:
    """The reports of a folder.

    Raises:
        InputError: There is none, or one that cannot be read.
    """
    if (folder / FAMILY_FILE).exists():
        return _of_family(folder)
    if (folder / "prepare.json").exists():
        return _of_run(folder)
    return _of_bundle(folder)


def _of_bundle(folder: Path) -> Found:
    report = load(Report, folder / REPORT)
    data = EvaluationData.load(folder / EVALUATION)
    return Found((report,), _evidence(folder / EVIDENCE), read_answers(data, report.task, folder / "tokenizer.json"))


def _of_family(folder: Path) -> Found:
    members = [member for member in load(Family, folder / FAMILY_FILE).members if member.report and member.bundle]
    if not members:
        raise InputError(f"{folder}: none of its limits was feasible, so there is nothing to show")
    reports = tuple(member.report for member in members if member.report)
    return Found(reports, _evidence(folder / str(members[0].bundle) / EVIDENCE))


def _of_run(folder: Path) -> Found:
    """Evaluation data moved away with the bundle."""
    path = next(iter(folder.glob("report*.json")), None)
    if path is None:
        records = sorted(folder.glob("*.json"), key=lambda record: record.stat().st_mtime_ns)
        raise InputError(
            f"{folder}: this run has not come to its report; finished: {', '.join(r.stem for r in records)}. The "
            "command that began it goes on"
        )
    return Found((load(Report, path),), _evidence(folder / path.name.replace("report", "evidence", 1)))


def _evidence(path: Path) -> Evidence:
    """Bundles of older versions have none."""
    return load(Evidence, path) if path.exists() else Evidence()

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
        bundle: Of the first.
    """

    reports: tuple[Report, ...]
    evidence: Evidence
    bundle: Path

    @property
    def answers(self) -> Answers | None:
        """Of the first, read only where they are shown; None where they have no classes."""
        data = EvaluationData.load(self.bundle / EVALUATION)
        return read_answers(data, self.reports[0].task, self.bundle / "tokenizer.json")


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
    return Found((load(Report, folder / REPORT),), _evidence(folder), folder)


def _of_family(folder: Path) -> Found:
    members = [member for member in load(Family, folder / FAMILY_FILE).members if member.report and member.bundle]
    if not members:
        raise InputError(f"{folder}: none of its limits was feasible, so there is nothing to show")
    reports = tuple(member.report for member in members if member.report)
    first = folder / str(members[0].bundle)
    return Found(reports, _evidence(first), first)


def _of_run(folder: Path) -> Found:
    """A run keeps the bundle that it copied to its place."""
    path = next(iter(folder.glob("report*.json")), None)
    if path is None:
        records = sorted(folder.glob("*.json"), key=lambda record: record.stat().st_mtime_ns)
        raise InputError(
            f"{folder}: this run has not come to its report; finished: {', '.join(r.stem for r in records)}. The "
            "command that began it goes on"
        )
    return _of_bundle(folder / path.stem.replace("report", "bundle", 1))


def _evidence(bundle: Path) -> Evidence:
    """Bundles of older versions have none."""
    path = bundle / EVIDENCE
    return load(Evidence, path) if path.exists() else Evidence()

"""What there is to report in a folder: a bundle, the bundles of several limits, or a run in the cache."""

from dataclasses import dataclass
from pathlib import Path

from compressor.errors import InputError
from compressor.export import EVALUATION, EVIDENCE, REPORT, EvaluationData
from compressor.records.evidence import Evidence
from compressor.records.family import FAMILY_FILE, Family
from compressor.records.results import Report
from compressor.records.serial import load
from compressor.report.comparing import Run
from compressor.report.page.answers import Answers, read_answers


@dataclass(frozen=True)
class Found:
    """In one folder.

    Attributes:
        runs: One, or one for each of several limits that were feasible.
        bundle: Of the first.
    """

    runs: tuple[Run, ...]
    bundle: Path

    @property
    def answers(self) -> Answers:
        """Of the first, read only where they are shown."""
        data = EvaluationData.load(self.bundle / EVALUATION)
        return read_answers(data, self.runs[0].report.task, self.bundle / "tokenizer.json")


def find(folder: Path) -> Found:
    """The reports of a folder.

    Raises:
        InputError: There is none, or one that cannot be read.
    """
    if (folder / FAMILY_FILE).exists():
        return _of_family(folder)
    if (folder / "prepare.json").exists():
        return _of_run(folder)
    return _of_bundle(folder, folder.resolve().name)


def _of_bundle(bundle: Path, name: str) -> Found:
    return Found((_run(bundle, name, load(Report, bundle / REPORT)),), bundle)


def _of_family(folder: Path) -> Found:
    members = [
        (folder / member.bundle, member.report)
        for member in load(Family, folder / FAMILY_FILE).members
        if member.bundle and member.report
    ]
    if not members:
        raise InputError(f"{folder}: none of its limits was feasible, so there is nothing to show")
    return Found(tuple(_run(bundle, bundle.name, report) for bundle, report in members), members[0][0])


def _of_run(folder: Path) -> Found:
    """A run keeps the bundle that it copied to its place."""
    path = next(iter(folder.glob("report*.json")), None)
    if path is None:
        records = sorted(folder.glob("*.json"), key=lambda record: record.stat().st_mtime_ns)
        raise InputError(
            f"{folder}: this run has not come to its report; finished: {', '.join(r.stem for r in records)}. The "
            "command that began it goes on"
        )
    return _of_bundle(folder / path.stem.replace("report", "bundle", 1), folder.resolve().name)


def _run(bundle: Path, name: str, report: Report) -> Run:
    """Bundles of older versions have no evidence."""
    path = bundle / EVIDENCE
    return Run(name, report, load(Evidence, path) if path.exists() else Evidence(), str(bundle))

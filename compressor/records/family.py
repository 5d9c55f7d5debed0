"""What several latency limits gave: one engine each."""

from dataclasses import dataclass

from compressor.errors import BorderError
from compressor.records.results import Report

FAMILY_FILE = "family.json"


@dataclass(frozen=True)
class Member:
    """One limit and its engine.

    Attributes:
        limit_ms: The limit.
        exit_code: Of this limit by itself.
        bundle: Folder of the bundle beside `family.json`; None = there is none.
        report: Of the bundle.
        message: Why there is none.
    """

    limit_ms: float
    exit_code: int
    bundle: str | None
    report: Report | None
    message: str = ""


@dataclass(frozen=True)
class Family:
    """All members, the highest limit first."""

    members: tuple[Member, ...]


def check_family(family: Family) -> Family:
    """Border check: distinct limits from high to low, a report exactly where there is a bundle."""
    limits = [member.limit_ms for member in family.members]
    if not limits or limits != sorted(set(limits), reverse=True):
        raise BorderError(f"expected distinct limits from high to low, got {limits}")
    for member in family.members:
        if (member.bundle is None) != (member.report is None):
            raise BorderError(f"expected a report exactly where there is a bundle, got {member}")
    return family

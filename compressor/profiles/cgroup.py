"""The control groups of this process (Linux, version 1, 2 and both at once), and how many CPUs they allow.

    cpu.max = "150000 100000" -> 1.5 CPUs

A quota may stand at any level above the process, and the tightest holds. A container often sees its own group mounted
as the top while /proc/self/cgroup still names the path on the host: levels that are not there are skipped.
"""

from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("sys/fs/cgroup")


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs that the process may use at once, a fraction if the quota is one; None without a limit.

    Args:
        root: The file system's root; tests give a tree of their own.
    """
    limits = [
        limit for level in levels(root, "cpu") for limit in (_version_2(level), _version_1(level)) if limit is not None
    ]
    return min(limits, default=None)


def levels(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the groups that this process is in, each with all above it; they need not exist.

    Args:
        root: The file system's root.
        controller: What is limited, in the words of version 1: "cpu" or "memory".
    """
    for controllers, group in _memberships(root, controller):
        names = ("", "unified") if not controllers else (controllers, controller)
        for name in names:
            yield from _upwards(root / MOUNT / name, group)


def words(path: Path) -> list[str]:
    """The words of a file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _memberships(root: Path, controller: str) -> Iterator[tuple[str, str]]:
    """(controllers, group) of this process; controllers is empty for version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = ["0::/", f"1:{controller}:/"]
    for line in lines:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if not controllers or controller in controllers.split(","):
            yield controllers, group


def _upwards(mount: Path, group: str) -> Iterator[Path]:
    parts = Path(group.strip("/")).parts
    if ".." in parts:  # the process is outside its own cgroup namespace: only the mounted top is known
        parts = ()
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _version_2(level: Path) -> float | None:
    quota, period = (*words(level / "cpu.max"), "", "")[:2]
    return _ratio(quota, period)


def _version_1(level: Path) -> float | None:
    quota, period = words(level / "cpu.cfs_quota_us"), words(level / "cpu.cfs_period_us")
    return _ratio(quota[0], period[0]) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    """Quota over period; None for "max", -1 and anything that is no positive number."""
    if not (quota.isdigit() and period.isdigit()) or 0 in (int(quota), int(period)):
        return None
    return int(quota) / int(period)

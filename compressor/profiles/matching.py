"""Does a profile fit the device at hand? "No" is a tuple of reasons from a closed list."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from compressor.errors import UnavailableError
from compressor.profiles.loading import list_profiles, load_profile
from compressor.records.profile import DeviceFingerprint, HardwareProfile

THIS_MACHINE = "cpu"


class MismatchReason(StrEnum):
    """Why a device is not one of the profile's."""

    OTHER_KIND = "other kind of device"
    MISSING_FLAGS = "missing CPU flags"
    FORBIDDEN_FLAGS = "CPU flags that the profile excludes"
    TOO_FEW_CORES = "fewer usable cores than the profile's threads"


@dataclass(frozen=True)
class Mismatch:
    """One reason and what it is about, e.g. `Mismatch(MISSING_FLAGS, ("avx512_vnni",))`."""

    reason: MismatchReason
    found: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.reason.value}: {', '.join(self.found)}"


def match(profile: HardwareProfile, fingerprint: DeviceFingerprint) -> tuple[Mismatch, ...]:
    """Every reason why the device does not fit the profile; empty if it does."""
    if profile.kind != fingerprint.kind:
        return (Mismatch(MismatchReason.OTHER_KIND, (f"{profile.kind} wanted", f"{fingerprint.kind} here")),)
    reasons = []
    if missing := tuple(flag for flag in profile.requires if flag not in fingerprint.flags):
        reasons.append(Mismatch(MismatchReason.MISSING_FLAGS, missing))
    if forbidden := tuple(flag for flag in profile.forbids if flag in fingerprint.flags):
        reasons.append(Mismatch(MismatchReason.FORBIDDEN_FLAGS, forbidden))
    if (profile.threads or 1) > fingerprint.usable_cores:
        counts = (f"{profile.threads} wanted", f"{fingerprint.usable_cores} here")
        reasons.append(Mismatch(MismatchReason.TOO_FEW_CORES, counts))
    return tuple(reasons)


def resolve_target(name: str | Path, fingerprint: DeviceFingerprint) -> HardwareProfile:
    """The profile behind `--target`, if this device is one of its devices.

    Args:
        name: A shipped profile's name or FILE.yaml; "cpu" is this machine and always fits.
        fingerprint: The device at hand.

    Raises:
        InputError: There is no such profile, or its file is not valid.
        UnavailableError: The device does not fit; the message has every reason.
    """
    profile = load_profile(name)
    if str(name) == THIS_MACHINE:
        return profile
    if reasons := match(profile, fingerprint):
        raise UnavailableError(
            f"target {profile.name!r} ({profile.title}) is not available on this device, {fingerprint.model}: "
            f"{'; '.join(map(str, reasons))}. Run on such a device, or use --target {THIS_MACHINE} for this one"
        )
    return profile


def class_profile(fingerprint: DeviceFingerprint) -> HardwareProfile | None:
    """The shipped profile of the class of devices that this one belongs to, with the numbers that "cpu" has not.

    Args:
        fingerprint: The device at hand.

    Returns:
        Of the profiles that fit, the one that asks for most; None where none does.
    """
    profiles = [load_profile(name) for name in list_profiles() if name != THIS_MACHINE]
    fitting = [profile for profile in profiles if not match(profile, fingerprint)]
    return max(fitting, key=lambda profile: len(profile.requires), default=None)

"""What is known of a device: its hardware profile (read from a file) and its fingerprint (read from the machine)."""

import math
from dataclasses import dataclass
from typing import Literal

from compressor.errors import BorderError
from compressor.records.serial import digest, to_dict

DeviceKind = Literal["cpu", "cuda", "android"]
Source = Literal["measured", "datasheet", "estimated"]


@dataclass(frozen=True)
class Quantity:
    """One number about a device and where it comes from.

    Example:
        `Quantity(3.2e11, "byte/s", "datasheet", "board data sheet, page 4")`

    Args:
        value: The number in `unit`; None where it is not known.
        unit: Spelled as in `compressor.profiles.vocabulary.UNITS`.
        source: How the number was found.
        reference: The document, or the machine and method, that it was taken from.
    """

    value: float | None
    unit: str
    source: Source
    reference: str


@dataclass(frozen=True)
class HardwareProfile:
    """A class of devices that an engine can be built for.

    Args:
        name: The word after `--target`, e.g. "cpu-avx2".
        title: One line for people.
        kind: What drives it.
        runtime: Name of the runtime that runs the engine, e.g. "onnxruntime".
        requires: CPU flags that must be there.
        forbids: CPU flags that must not be there (another profile is meant for machines that have them).
        precisions: What the runtime runs well on it, e.g. ("fp32", "int8").
        threads: Threads of the default workload; None = all that the process may use.
        quantities: (name, quantity) pairs; a name that is missing is not known.
    """

    name: str
    title: str
    kind: DeviceKind
    runtime: str
    requires: tuple[str, ...]
    forbids: tuple[str, ...]
    precisions: tuple[str, ...]
    threads: int | None = None
    quantities: tuple[tuple[str, Quantity], ...] = ()

    def quantity(self, name: str) -> Quantity | None:
        """The quantity of that name, None where the profile does not know it."""
        return dict(self.quantities).get(name)


@dataclass(frozen=True)
class DeviceFingerprint:
    """The device at hand, as far as it decides how fast an engine runs.

    Args:
        kind: What drives it.
        model: Name of the CPU (or accelerator).
        architecture: "x86_64", "aarch64" or what the system says.
        flags: Instruction sets that matter for inference, in the order of `vocabulary.INFERENCE_FLAGS`.
        physical_cores: Cores of the machine; None where the system does not say.
        logical_cores: Hardware threads of the machine.
        usable_cores: Hardware threads that this process may really use (affinity, quota).
        affinity_cores: Hardware threads in its affinity mask.
        cpu_quota: CPUs that its control groups allow at once, a fraction if the quota is one; None without a limit.
        smt: Whether two threads share a core; None where unknown.
        governor: Frequency policy, e.g. "performance"; None where unknown.
        memory_bytes: Main memory of the machine.
        operating_system: Name and release, e.g. "Linux 6.1".
        virtualised: Whether a hypervisor is below; None where unknown.
    """

    kind: DeviceKind
    model: str
    architecture: str
    flags: tuple[str, ...]
    physical_cores: int | None
    logical_cores: int
    usable_cores: int
    affinity_cores: int
    cpu_quota: float | None
    smt: bool | None
    governor: str | None
    memory_bytes: int
    operating_system: str
    virtualised: bool | None

    @property
    def comparable(self) -> dict[str, object]:
        """What has to agree before latencies may be compared: memory size and release of the system left out."""
        plain = to_dict(self)
        del plain["memory_bytes"]
        plain["operating_system"] = self.operating_system.split(" ")[0]
        return plain

    @property
    def key(self) -> str:
        """Equal for devices whose latencies may be compared."""
        return digest(self.comparable)


def check_profile(profile: HardwareProfile) -> None:
    """Hold the promises of a profile that a stage is given.

    Raises:
        BorderError: Nothing to run, a flag that is required and forbidden, or a number that is no positive number.
    """
    if not profile.name or not profile.runtime or not profile.precisions:
        raise BorderError(f"expected a profile with name, runtime and precisions, found {profile}")
    if both := set(profile.requires) & set(profile.forbids):
        raise BorderError(f"profile {profile.name}: flags {sorted(both)} are required and forbidden; drop one")
    for name, quantity in profile.quantities:
        if quantity.value is not None and not (math.isfinite(quantity.value) and quantity.value > 0):
            raise BorderError(f"profile {profile.name}: {name} should be a positive number, found {quantity.value}")


def check_fingerprint(fingerprint: DeviceFingerprint) -> None:
    """Hold the promises of a fingerprint that a stage is given.

    Raises:
        BorderError: No core is usable, or more than there are.
    """
    if not 1 <= fingerprint.usable_cores <= fingerprint.logical_cores:
        raise BorderError(
            f"fingerprint of {fingerprint.model}: usable_cores should be between 1 and logical_cores "
            f"({fingerprint.logical_cores}), found {fingerprint.usable_cores}"
        )

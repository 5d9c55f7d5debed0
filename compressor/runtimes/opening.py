"""From the runtime that a profile names to a device."""

from compressor.errors import UnavailableError
from compressor.runtimes.base import Device


def _local() -> Device:
    from compressor.runtimes.local import LocalDevice

    return LocalDevice()


def _fake() -> Device:
    from compressor.runtimes.fake import FakeDevice

    return FakeDevice(noise=0.01)


# What a bundle names as its runtime too.
DEVICES = {"onnxruntime": _local, "openvino": _local, "fake": _fake}


def open_device(runtime: str) -> Device:
    """The device that a runtime drives on this machine; the runtime is imported only now.

    Raises:
        UnavailableError: The runtime is not one of those that this version drives.
    """
    if runtime not in DEVICES:
        raise UnavailableError(f"no runtime {runtime!r} here; this version drives {', '.join(DEVICES)}")
    return DEVICES[runtime]()

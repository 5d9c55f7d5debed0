"""What `compressor profile` was asked for, and what it found."""

from dataclasses import dataclass

from compressor.records.architecture import Precision
from compressor.records.latency import LatencyTable, TableSource
from compressor.records.profile import DeviceFingerprint

DEFAULT_LENGTHS = (16, 32, 64, 128)


@dataclass(frozen=True)
class ProfileRequest:
    """Which tables are wanted: one for each length and precision.

    Attributes:
        teacher: Folder with the config.json of the model whose cuts are to be covered; None = MiniLM-L6-H384.
        target: Name or file of a hardware profile.
        batch: Rows per run.
        sequence_lengths: In tokens.
        threads: None = from the hardware profile, else all that the process may use.
        precisions: None = all that the target has.
        fresh: Measure anew what is kept from earlier.
    """

    teacher: str | None = None
    target: str = "cpu"
    batch: int = 1
    sequence_lengths: tuple[int, ...] = DEFAULT_LENGTHS
    threads: int | None = None
    precisions: tuple[Precision, ...] | None = None
    fresh: bool = False


@dataclass(frozen=True)
class Profiled:
    """Latency tables of a target.

    Attributes:
        target: Name of the hardware profile.
        device: CPU of this machine; of an absent device what its hardware profile calls it.
        source: `estimated` where the target is not this machine: nothing was measured on one.
        tables: By length, then precision.
        reused: Of each table, whether it was there already.
        fingerprint: Of this machine where the tables hold for it.
        notice: What has to stand beside every estimate; None where the tables were measured.
        picture: File that they were drawn to; None = not drawn.
    """

    target: str
    device: str
    source: TableSource
    tables: tuple[LatencyTable, ...]
    reused: tuple[bool, ...]
    fingerprint: DeviceFingerprint | None = None
    notice: str | None = None
    picture: str | None = None

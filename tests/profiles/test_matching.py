"""Which profile fits which machine, what the refusal says, and which fields a fingerprint's key depends on."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from compressor.errors import BorderError, ExitCode, UnavailableError
from compressor.profiles import MismatchReason, class_profile, load_profile, match, resolve_target
from compressor.records.profile import (
    DeviceFingerprint,
    HardwareProfile,
    Quantity,
    check_fingerprint,
    check_profile,
)

VNNI = DeviceFingerprint(
    kind="cpu",
    model="Test CPU",
    architecture="x86_64",
    flags=("avx2", "fma", "avx512f", "avx512_vnni"),
    physical_cores=4,
    logical_cores=8,
    usable_cores=4,
    affinity_cores=4,
    cpu_quota=None,
    smt=True,
    governor="performance",
    memory_bytes=16_000_000_000,
    operating_system="Linux 6.1",
    virtualised=False,
)
AVX2 = replace(VNNI, flags=("avx2", "fma"))
ARM = replace(VNNI, architecture="aarch64", flags=("asimd",))
PROFILE = HardwareProfile("p", "a profile", "cpu", "onnxruntime", (), (), ("fp32",))


def reasons(profile: str, device: DeviceFingerprint) -> list[tuple[MismatchReason, tuple[str, ...]]]:
    return [(mismatch.reason, mismatch.found) for mismatch in match(load_profile(profile), device)]


def test_a_machine_matches_its_own_profile() -> None:
    assert reasons("cpu-avx512-vnni", VNNI) == []
    assert reasons("cpu-avx2", AVX2) == []
    assert [reasons("cpu", device) for device in (VNNI, AVX2, ARM)] == [[], [], []]


def test_reasons_why_not() -> None:
    assert reasons("cpu-avx512-vnni", AVX2) == [(MismatchReason.MISSING_FLAGS, ("avx512_vnni",))]
    assert reasons("cpu-avx2", VNNI) == [(MismatchReason.FORBIDDEN_FLAGS, ("avx512_vnni",))]
    wanted = replace(PROFILE, requires=("sve",), forbids=("fma",), threads=16)
    assert [mismatch.reason for mismatch in match(wanted, VNNI)] == [
        MismatchReason.MISSING_FLAGS,
        MismatchReason.FORBIDDEN_FLAGS,
        MismatchReason.TOO_FEW_CORES,
    ]
    assert [mismatch.reason for mismatch in match(replace(PROFILE, kind="cuda"), VNNI)] == [MismatchReason.OTHER_KIND]


@pytest.mark.parametrize("device", [VNNI, AVX2, ARM])
def test_target_cpu_is_this_machine(device: DeviceFingerprint) -> None:
    assert resolve_target("cpu", device).name == "cpu"


def test_a_target_that_is_not_here_ends_with_exit_code_5() -> None:
    assert resolve_target("cpu-avx512-vnni", VNNI).requires == ("avx512_vnni",)
    with pytest.raises(UnavailableError, match=r"not available .* Test CPU: missing CPU flags: avx512_vnni\. Run on"):
        resolve_target("cpu-avx512-vnni", AVX2)
    assert UnavailableError.exit_code is ExitCode.UNAVAILABLE


def test_a_target_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    plain = {"name": "board", "title": "a board", "kind": "cpu", "runtime": "onnxruntime", "precisions": ["fp32"]}
    path.write_text(yaml.safe_dump({**plain, "requires": ["asimd"]}), encoding="utf-8")
    assert resolve_target(str(path), ARM).name == "board"
    with pytest.raises(UnavailableError, match="asimd"):
        resolve_target(path, VNNI)


def test_the_class_of_a_machine_is_the_one_that_asks_for_most() -> None:
    amx = replace(VNNI, flags=(*VNNI.flags, "amx_int8"))
    graviton = replace(ARM, flags=("asimd", "asimddp", "i8mm"))
    known = {"cpu-avx512-vnni": VNNI, "cpu-amx": amx, "cpu-avx2": AVX2, "arm64-server": graviton}
    for name, device in known.items():
        assert class_profile(device) == load_profile(name)
    assert class_profile(ARM) is None
    assert class_profile(replace(VNNI, flags=("avx2", "avx_vnni"))) is None  # which cpu-avx2 leaves out


def test_the_key_depends_on_what_decides_the_latency() -> None:
    assert replace(VNNI, memory_bytes=1, operating_system="Linux 5.4").key == VNNI.key
    changed = [
        replace(VNNI, model="Other"),
        AVX2,
        replace(VNNI, usable_cores=2),
        replace(VNNI, governor="powersave"),
        replace(VNNI, operating_system="Windows 11"),
    ]
    assert len({VNNI.key, *(device.key for device in changed)}) == 6


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (replace(PROFILE, precisions=()), "precisions"),
        (replace(PROFILE, requires=("fma",), forbids=("fma",)), "required and forbidden"),
        (replace(PROFILE, quantities=(("clock_hz", Quantity(-1, "hertz", "measured", "r")),)), "clock_hz"),
    ],
)
def test_a_broken_profile_stops_at_the_border(profile: HardwareProfile, message: str) -> None:
    check_profile(PROFILE)
    with pytest.raises(BorderError, match=message):
        check_profile(profile)


@pytest.mark.parametrize("cores", [0, 9])
def test_a_broken_fingerprint_stops_at_the_border(cores: int) -> None:
    with pytest.raises(BorderError, match="usable_cores"):
        check_fingerprint(replace(VNNI, usable_cores=cores))

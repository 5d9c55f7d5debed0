"""Shipped profiles load; faults injected into a valid file are refused by the name of the field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from compressor.errors import InputError, UnavailableError
from compressor.profiles import list_profiles, load_profile
from compressor.profiles.loading import profiles_folder
from compressor.profiles.vocabulary import RANGES, UNITS, unit_of
from compressor.records import serial
from compressor.records.profile import HardwareProfile, check_profile

BANDWIDTH = "memory_bandwidth_bytes_per_s"


def document(**changes: Any) -> dict[str, Any]:
    """A valid profile file as plain values, then the changes; None drops a key."""
    number = {"value": 3e11, "unit": "byte/s", "source": "datasheet", "reference": "a data sheet"}
    plain: dict[str, Any] = {
        "name": "device",
        "title": "a device",
        "kind": "cpu",
        "runtime": "onnxruntime",
        "requires": ["avx2"],
        "precisions": ["int8", "fp32"],
        "quantities": {BANDWIDTH: number},
    }
    number.update(changes.pop("number", {}))
    plain["quantities"][BANDWIDTH] = {key: value for key, value in number.items() if value != "dropped"}
    return {key: value for key, value in {**plain, **changes}.items() if value is not None}


def written(folder: Path, plain: object) -> Path:
    path = folder / "device.yaml"
    path.write_text(plain if isinstance(plain, str) else yaml.safe_dump(plain), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", list_profiles())
def test_every_shipped_profile_is_valid(name: str) -> None:
    profile = load_profile(name)
    check_profile(profile)
    assert profile.name == name
    for quantity, number in profile.quantities:
        low, high = RANGES[quantity]
        assert number.value is None or low <= number.value <= high
        assert number.unit == unit_of(quantity)
        assert number.reference
        assert number.value is not None or "not found" in number.reference


def test_the_profiles_that_must_ship() -> None:
    x86 = {"cpu", "cpu-avx2", "cpu-avx512-vnni", "cpu-amx"}
    assert x86 | {"arm64-server", "android-arm64", "t4", "a100", "h100"} <= set(list_profiles())
    assert load_profile("cpu").quantities == ()


def test_every_quantity_of_the_vocabulary_has_one_unit() -> None:
    for name in RANGES:
        assert sum(name.endswith(suffix) for suffix in UNITS) == 1, name


def test_a_file_of_the_user_and_its_way_through_json(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, document(threads=4)))
    assert profile.precisions == ("fp32", "int8")
    assert profile.quantities[0][1].value == 3e11
    assert profile.quantity(BANDWIDTH) == profile.quantities[0][1]
    assert profile.quantity("clock_hz") is None
    assert hash(profile)
    assert serial.from_json(HardwareProfile, serial.to_json(profile)) == profile


FAULTS = {
    "wrong unit": (document(number={"unit": "GB/s"}), f"quantities.{BANDWIDTH}.unit: expected 'byte/s'"),
    "out of range": (document(number={"value": 300}), rf"quantities.{BANDWIDTH}.value: expected between 1e\+09"),
    "not finite": (document(number={"value": float("nan")}), f"quantities.{BANDWIDTH}.value"),
    "text for a number": (document(number={"value": "fast"}), f"quantities.{BANDWIDTH}.value"),
    "missing source": (document(number={"source": "dropped"}), f"quantities.{BANDWIDTH}.source: Field required"),
    "unknown source": (document(number={"source": "heard"}), f"quantities.{BANDWIDTH}.source"),
    "empty reference": (document(number={"reference": ""}), f"quantities.{BANDWIDTH}.reference"),
    "unknown key in a number": (document(number={"note": "x"}), f"quantities.{BANDWIDTH}.note"),
    "unknown key": (document(cores=4), "cores: Extra inputs"),
    "unknown quantity": (
        document(quantities={"speed_us": {"value": 1, "unit": "us", "source": "measured", "reference": "r"}}),
        "quantities.speed_us: unknown quantity, expected one of peak_fp32",
    ),
    "missing title": (document(title=None), "title: Field required"),
    "no precision": (document(precisions=[]), "precisions"),
    "unknown precision": (document(precisions=["int3"]), "precisions.0"),
    "misspelled flag": (document(requires=["avx512vnni"]), "requires: expected CPU flags .* found 'avx512vnni'"),
    "required and forbidden": (document(forbids=["avx2"]), "forbids: 'avx2' is also in requires"),
    "no thread": (document(threads=0), "threads"),
    "another name": (document(name="other"), "name: expected 'device', the file's own name, found 'other'"),
    "not a mapping": (["cpu"], r"\(file\)"),
    "twice": ("name: device\nname: other\n", "key 'name' is given twice"),
    "no YAML": ("name: [", "not valid YAML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_by_its_name(tmp_path: Path, fault: str) -> None:
    plain, message = FAULTS[fault]
    with pytest.raises(InputError, match=message):
        load_profile(written(tmp_path, plain))


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"requires: .*quantities.*unit: .*quantities.*value: "):
        load_profile(written(tmp_path, document(requires=["mmx"], number={"unit": "s", "value": 1})))


@pytest.mark.parametrize("number", ["2e11", "2.0E+11", "200000000000"])
def test_numbers_may_be_written_in_any_way(tmp_path: Path, number: str) -> None:
    text = yaml.safe_dump(document()).replace("300000000000.0", number)
    assert number in text
    assert load_profile(written(tmp_path, text)).quantities[0][1].value == 2e11


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*absent.yaml"):
        load_profile(tmp_path / "absent.yaml")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'cpu-avx512-vnni'\? Known targets: a100, android-arm64"):
        load_profile("cpu-avx512vnni")
    with pytest.raises(InputError, match="unknown target 'zzzzzz': Known targets"):
        load_profile("zzzzzz")


def test_the_folder_in_a_wheel_and_in_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "compressor"
    with pytest.raises(UnavailableError, match="install compressor again"):
        profiles_folder(package)
    for folder in (tmp_path / "hardware_profiles", package / "hardware_profiles"):
        folder.mkdir(parents=True)
        (folder / "cpu.yaml").touch()
        assert profiles_folder(package) == folder

"""What a profile file must look like, and its way into a `HardwareProfile`; every fault is reported at once."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compressor.errors import InputError
from compressor.profiles.vocabulary import INFERENCE_FLAGS, PRECISIONS, RANGES, unit_of
from compressor.records.profile import DeviceKind, HardwareProfile, Quantity, Source

Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class QuantityEntry(_Strict):
    """One number with its unit, source and reference; `value: null` says that it was looked for and not found."""

    value: float | None
    unit: Text
    source: Source
    reference: Text


class ProfileFile(_Strict):
    """The whole file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    kind: DeviceKind
    runtime: Text
    requires: list[str] = []
    forbids: list[str] = []
    precisions: Annotated[list[Literal["fp32", "fp16", "bf16", "int8"]], Field(min_length=1)]
    threads: Annotated[int, Field(ge=1)] | None = None
    quantities: dict[str, QuantityEntry] = {}


def parse_profile(document: object, *, where: str) -> HardwareProfile:
    """A profile from the plain values of its file.

    Args:
        document: What the YAML file holds.
        where: The file's name for messages.

    Raises:
        InputError: A key is unknown or missing, a unit does not fit its name, a number is out of range, a flag is
            not known. The message names every such field.
    """
    try:
        file = ProfileFile.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or '(file)'}: {e['msg']}" for e in error.errors()]
        raise _refusal(where, faults) from error
    if faults := [*_flag_faults(file), *_quantity_faults(file)]:
        raise _refusal(where, faults)
    return _record(file)


def _refusal(where: str, faults: list[str]) -> InputError:
    return InputError(f"{where} is not a valid hardware profile, correct these fields: " + "; ".join(faults))


def _flag_faults(file: ProfileFile) -> Iterator[str]:
    for field, flags in (("requires", file.requires), ("forbids", file.forbids)):
        for flag in flags:
            if flag not in INFERENCE_FLAGS:
                yield f"{field}: expected CPU flags among {', '.join(INFERENCE_FLAGS)}, found {flag!r}"
    for flag in sorted(set(file.requires) & set(file.forbids)):
        yield f"forbids: {flag!r} is also in requires, no machine can match"


def _quantity_faults(file: ProfileFile) -> Iterator[str]:
    for name, entry in file.quantities.items():
        field = f"quantities.{name}"
        if name not in RANGES:
            yield f"{field}: unknown quantity, expected one of {', '.join(RANGES)}"
            continue
        if entry.unit != unit_of(name):
            yield f"{field}.unit: expected {unit_of(name)!r} (the end of the name says so), found {entry.unit!r}"
        low, high = RANGES[name]
        if entry.value is not None and not low <= entry.value <= high:
            yield f"{field}.value: expected between {low:g} and {high:g} {unit_of(name)}, found {entry.value:g}"


def _record(file: ProfileFile) -> HardwareProfile:
    return HardwareProfile(
        name=file.name,
        title=file.title,
        kind=file.kind,
        runtime=file.runtime,
        requires=tuple(file.requires),
        forbids=tuple(file.forbids),
        precisions=tuple(precision for precision in PRECISIONS if precision in file.precisions),
        threads=file.threads,
        quantities=tuple((name, Quantity(**entry.model_dump())) for name, entry in sorted(file.quantities.items())),
    )

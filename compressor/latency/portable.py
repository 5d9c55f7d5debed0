"""Measured tables to a file and back, onto a machine where they hold as they do where they were measured."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from compressor import __version__
from compressor.errors import BorderError, InputError, UnavailableError
from compressor.latency.building import METHOD
from compressor.latency.coverage import check_coverage
from compressor.latency.store import worth_keeping
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.profile import DeviceFingerprint
from compressor.records.serial import load, save
from compressor.records.table_file import TableFile, check_table_file


def check_export(path: Path) -> None:
    """Refuse a place that no file can be written to, before anything is measured for it.

    Raises:
        InputError: It is a folder, or its own folder is not there.
    """
    if path.is_dir() or not path.parent.is_dir():
        found = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise InputError(f"--export: expected the name of a file, in a folder that is there, found {found}")


def export_tables(
    path: Path, tables: Sequence[LatencyTable], device: DeviceFingerprint, *, today: datetime.date
) -> None:
    """Write measured tables to a file.

    Args:
        path: Of the file; one that is there is replaced.
        tables: Measured on `device`.
        device: The machine at hand.
        today: The date that is written into it.

    Raises:
        BorderError: A table is estimated, or another device's.
        InputError: The file cannot be written.
        UnavailableError: The machine was never quiet while a table was measured.
    """
    if not all(worth_keeping(table) for table in tables):
        raise UnavailableError(
            "--export: nothing is written, because this machine was never quiet while a table was measured; end what "
            "else runs on it, and give the same command again: tables of quiet stretches are kept"
        )
    file = TableFile(__version__, today.isoformat(), METHOD, device, tuple(tables))
    try:
        save(check_table_file(file), path)
    except OSError as error:
        raise InputError(f"--export: cannot write {path}: {error.strerror}; give another place") from error


def import_tables(
    path: Path, device: DeviceFingerprint, runtime_of: Callable[[CompileOptions], str]
) -> tuple[LatencyTable, ...]:
    """The tables of a file, if they hold on this machine.

    Args:
        path: Of the file.
        device: The machine at hand.
        runtime_of: Name and version of what runs a graph here that is compiled in some way.

    Raises:
        InputError: It is no such file, damaged, incomplete, or from a machine or runtime that differs; the message
            says in which fields.
        UnavailableError: A runtime that they were measured in is not here.
    """
    file = _read(path)
    if differences := [*_other_device(file, device), *_other_measuring(file, runtime_of)]:
        raise InputError(
            f"--import: the tables in {path} do not hold here: {'; '.join(differences)}. Leave --import out to "
            "measure here"
        )
    return file.tables


def _read(path: Path) -> TableFile:
    try:
        file = check_table_file(load(TableFile, path))
        for table in file.tables:
            check_coverage(table)
            if not worth_keeping(table):
                raise InputError("it has a table of a machine that was never quiet")
    except (BorderError, InputError) as error:
        raise InputError(
            f"--import: {path} cannot be used: {error}. Make it again where it was measured: `compressor profile "
            "--export FILE`"
        ) from error
    return file


def _other_device(file: TableFile, device: DeviceFingerprint) -> list[str]:
    here, there = device.comparable, file.device.comparable
    return [f"{name} {here[name]!r} here, {there[name]!r} in the file" for name in here if here[name] != there[name]]


def _other_measuring(file: TableFile, runtime_of: Callable[[CompileOptions], str]) -> list[str]:
    pairs = {("runtime", runtime_of(table.options), table.runtime) for table in file.tables}
    pairs.add(("measuring method", str(METHOD), str(file.method)))
    return [f"{name} {here!r} here, {there!r} in the file" for name, here, there in sorted(pairs) if here != there]

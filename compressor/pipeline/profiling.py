"""`compressor profile`: the latency tables of a target, measured where it is this machine, estimated where it is not.

target, teacher's shape -> workloads -> per length and precision: kept table | options -> measured table -> store
"""

import datetime
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from compressor.encoder import Encoder
from compressor.errors import InputError, UnavailableError
from compressor.latency.portable import check_export, export_tables, import_tables
from compressor.latency.store import TABLES, TableConditions, TableStore
from compressor.pipeline.estimates import estimated_profile
from compressor.pipeline.exhaustion import exhaustion_explained
from compressor.pipeline.tables import measured_table
from compressor.pipeline.workbench import engine_threads
from compressor.precision import apply_precision
from compressor.profiles import fingerprint, load_profile, match, resolve_target
from compressor.profiles.matching import THIS_MACHINE
from compressor.records.architecture import Architecture, Layer, Precision
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.observer import Observer
from compressor.records.profile import DeviceFingerprint, HardwareProfile
from compressor.records.profiling import Profiled, ProfileRequest
from compressor.records.promise import Workload, check_length
from compressor.records.serial import digest
from compressor.report.latency_figure import draw_tables
from compressor.runtimes import Device, open_device
from compressor.search.ladder import fastest_options
from compressor.tasks.feeds import COUNT, workload_feeds
from compressor.tasks.tokens import Tokens
from compressor.teachers import read_architecture

# What is profiled where no teacher is named: config.json of nreimers/MiniLM-L6-H384-uncased, with two classes.
MINILM_L6_H384 = Architecture(
    layers=(Layer(heads=12, neurons=1536),) * 6,
    hidden=384,
    head_size=32,
    vocabulary=30522,
    positions=512,
    token_types=2,
    classes=2,
)
FIGURES = "figures"  # folder in the cache
SEED = 0


def profile(request: ProfileRequest, *, cache: Path, observer: Observer, export: Path | None = None) -> Profiled:
    """The tables that are wanted; those that were measured before are taken from the cache.

    Args:
        request: What is wanted.
        cache: Folder of tables.
        observer: Who is told.
        export: A file that `export_profile` is to write them to; refused here if that cannot be.

    Raises:
        InputError: Something given cannot be used, or estimated tables were to be exported.
        UnavailableError: The target is this machine, but its runtime is not here.
        ResourceError: Disk or memory do not suffice.
    """
    here, target = fingerprint(), load_profile(request.target)
    present = request.target == THIS_MACHINE or not match(target, here)
    static = present and open_device(target.runtime).static
    precisions = _precisions(request, target, static=static)
    threads = engine_threads(request.threads, target, here) if present else _absent_threads(request, target)
    teacher = MINILM_L6_H384 if request.teacher is None else read_architecture(Path(request.teacher))
    pairs = [
        (precision, Workload(request.batch, length, threads))
        for length in request.sequence_lengths
        for precision in precisions
    ]
    check_length(max(request.sequence_lengths), teacher.positions)
    _check_export(export, target, present=present)
    store = TableStore(cache / TABLES, note=observer.note)
    if not present:
        return estimated_profile(target, teacher, pairs, here=here, store=store)
    with exhaustion_explained({"the cache": cache}):
        profiler = _Profiler(teacher, here, open_device(target.runtime), store, observer, fresh=request.fresh)
        found = [profiler.table(precision, workload) for precision, workload in pairs]
    tables, reused = (tuple(column) for column in zip(*found, strict=True))
    return Profiled(target.name, here.model, "measured", tables, reused, here)


def export_profile(found: Profiled, file: Path) -> None:
    """Write the tables of `profile` to a file; after they were shown, since a machine without rest is refused here.

    Raises:
        InputError: The file cannot be written.
        UnavailableError: The machine was never quiet while a table was measured.
    """
    export_tables(file, found.tables, fingerprint(), today=datetime.date.today())


def import_profile(file: Path, target: str, *, cache: Path, observer: Observer) -> Profiled:
    """Put the tables of an exported file into the cache.

    Args:
        file: Written by `profile` on a machine with the same fingerprint.
        target: Name or file of a hardware profile, which this machine has to be.
        cache: Folder of tables.
        observer: Who is told.

    Raises:
        InputError: The file cannot be used here, or the cache cannot be written to.
        UnavailableError: The target is not this machine, or its runtime is not here.
    """
    here = fingerprint()
    known = resolve_target(target, here)
    tables = import_tables(file, here, open_device(known.runtime).runtime_of)
    store = TableStore(cache / TABLES, note=observer.note)
    kept = [store.keep(table) for table in tables]
    if not all(kept):
        raise InputError(
            f"--import: expected a cache that can be written to, cannot keep the tables in {cache / TABLES}; name "
            "another place with XDG_CACHE_HOME"
        )
    return Profiled(known.name, here.model, "measured", tables, (True,) * len(tables), here)


def draw_profile(found: Profiled, *, cache: Path, observer: Observer) -> Profiled:
    """Draw the tables to a file in the cache; where that cannot be, it is noted: the tables are good without."""
    conditions = [TableConditions.of(table) for table in found.tables]
    path = cache / FIGURES / f"latency-{found.target}-{digest(*conditions)}.svg"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_tables(found.tables, path, device=found.device, notice=found.notice)
    except UnavailableError as error:
        observer.note(str(error))
        return found
    except OSError as error:
        observer.note(f"no picture: cannot write {path}: {error.strerror}; name another place with XDG_CACHE_HOME")
        return found
    return replace(found, picture=str(path))


def _precisions(request: ProfileRequest, target: HardwareProfile, *, static: bool) -> tuple[Precision, ...]:
    """Those that are wanted, else all that the target has.

    Args:
        request: What is wanted.
        target: The device.
        static: int8 with constant ranges can be had too, where it is wanted.

    Raises:
        InputError: The target does not have one.
    """
    usual = tuple(precision for precision in Precision if precision in target.precisions)
    has = (*usual, Precision.INT8_STATIC) if static else usual
    if missing := [precision for precision in request.precisions or () if precision not in has]:
        raise InputError(
            f"--precision: expected some of {', '.join(has)}, which {target.runtime} has on {target.name}, got "
            f"{', '.join(missing)}"
        )
    return request.precisions or usual


def _absent_threads(request: ProfileRequest, target: HardwareProfile) -> int:
    """Those that are wanted, else those of the hardware profile, else one: nobody knows what will be usable there."""
    return next(count for count in (request.threads, target.threads, 1) if count is not None)


def _check_export(export: Path | None, target: HardwareProfile, *, present: bool) -> None:
    """Refuse what could not be exported in the end, before anything is measured for it."""
    if export is None:
        return
    check_export(export)
    if not present:
        raise InputError(
            f"--export: {target.name} is not this machine, so its tables are estimated; only measured tables are "
            "exported: run the same command on such a device"
        )


@dataclass(frozen=True)
class _Profiler:
    """Measures the tables of one teacher on this machine.

    Attributes:
        teacher: Its shape.
        here: This machine.
        device: Where.
        store: Tables that were measured before.
        observer: Who is told.
        fresh: Measure anew what is kept from earlier.
    """

    teacher: Architecture
    here: DeviceFingerprint
    device: Device
    store: TableStore
    observer: Observer
    fresh: bool

    @cached_property
    def _encoder(self) -> Encoder:
        """With random weights: the time of a graph does not depend on them."""
        return Encoder(self.teacher)

    def table(self, precision: Precision, workload: Workload) -> tuple[LatencyTable, bool]:
        """One table, and whether it was there already."""
        begin = time.monotonic()
        self.observer.begin("table", f"{precision}, length {workload.sequence_length}")
        kept = None if self.fresh else self._kept(precision, workload)
        table = kept or self._measured(precision, workload)
        self.observer.end("table", time.monotonic() - begin, cached=kept is not None)
        return table, kept is not None

    def _kept(self, precision: Precision, workload: Workload) -> LatencyTable | None:
        """A kept table with any options that could be the fastest: whoever measured it has chosen them here."""
        variants = self.device.option_variants(workload.threads, precision)
        return self.store.find_any(self._conditions(precision, workload, options) for options in variants)

    def _measured(self, precision: Precision, workload: Workload) -> LatencyTable:
        model = apply_precision(self._encoder.emit(), precision).SerializeToString()
        feeds = workload_feeds(random_tokens(self.teacher, workload), workload)
        options = fastest_options(self.device, model, feeds, workload.threads, precision)
        return measured_table(self.device, self._conditions(precision, workload, options), self.store, self.observer)

    def _conditions(self, precision: Precision, workload: Workload, options: CompileOptions) -> TableConditions:
        runtime = self.device.runtime_of(options)
        return TableConditions(self.here.key, runtime, self.teacher, precision, options, workload)


def random_tokens(teacher: Architecture, workload: Workload) -> Tokens:
    """Enough token ids for a workload, each as likely as any other of the vocabulary, as one text."""
    total = COUNT * workload.batch * workload.sequence_length
    ids = np.random.default_rng(SEED).integers(0, teacher.vocabulary, size=total, dtype=np.int32)
    return Tokens(ids, np.zeros(total, dtype=np.uint8), np.array([0, total], dtype=np.int64))

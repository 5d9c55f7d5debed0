"""The stages: each takes the workbench and the records of earlier stages, and returns its own record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from compressor.encoder import Encoder
from compressor.errors import InfeasibleError, InputError, TooLargeError
from compressor.export import tokenizer_bytes
from compressor.latency import refreshed
from compressor.latency.store import TABLES, TableConditions, TableStore
from compressor.pipeline.doubts import doubts
from compressor.pipeline.percentile import NEAREST_MARGIN, fresh_percentile
from compressor.pipeline.tables import measured_table
from compressor.pipeline.uncut import check_exported
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.precision.int8_static import products
from compressor.profiles import steadiness_notes
from compressor.records.architecture import Architecture, Cut, LayerCut, Precision
from compressor.records.latency import CompileOptions, LatencyTable
from compressor.records.promise import Workload, check_length
from compressor.records.serial import digest
from compressor.records.stages import (
    Confirmed,
    Ladder,
    Prepared,
    Rung,
    Source,
    check_ladder,
    check_prepared,
)
from compressor.records.units import format_bytes, format_ms
from compressor.runtimes import Feeds
from compressor.score import mean_divergence
from compressor.search.ladder import climb, one_per_runtime
from compressor.search.mixing import put_back
from compressor.space import inherit, student_architecture
from compressor.tasks import default_length, get_metric, length_summary, points

PROBE_SECONDS = 1.0
# What a look for products that must stay in float32 may take of the time budget, for each precision; rows of a look.
MIXING_SHARE, MIXING_ROWS = 0.05, 300
# A size that is offered as feasible must leave room for some layers.
SIZE_MARGIN = 1.2


def prepare(bench: Workbench) -> Prepared:
    """Read, split, tokenise; fix the workload; refuse limits that nothing can keep."""
    _ = bench.losses  # a recipe that is not for this task is refused before anything is measured
    lengths, workload = bench.evaluation.tokens.lengths, workload_of(bench)
    if bench.teacher.architecture is None:
        check_exported(bench)
    parts = {"train": bench.train, "selection": bench.selection.tokens, "evaluation": bench.evaluation.tokens}
    summary = {name: float(value) for name, value in asdict(length_summary(lengths, workload.sequence_length)).items()}
    prepared = Prepared(
        task=bench.data.spec,
        workload=workload,
        lengths=summary,
        rows={name: len(tokens) for name, tokens in parts.items()},
        lower_bound_ms=_lower_bound_ms(bench, workload),
        notes=(*bench.data.notes, *_trimmed_note(bench), *doubts(bench), *steadiness_notes(bench.device_fingerprint)),
    )
    return check_prepared(prepared)


def _trimmed_note(bench: Workbench) -> tuple[str, ...]:
    if bench.trimmed_from is None:
        return ()
    note = (
        f"--max-size: {bench.root.architecture.vocabulary} tokens of the vocabulary are left; accuracy is held "
        "against the teacher with all of them, the teacher's rows are with those that are left"
    )
    return (note,)


def workload_of(bench: Workbench) -> Workload:
    """Where the latency promise holds.

    Raises:
        InputError: The length that was asked for is more than the teacher takes.
    """
    longest = bench.teacher.max_length
    length = bench.request.sequence_length or min(default_length(bench.evaluation.tokens.lengths), longest)
    check_length(length, longest)
    return Workload(bench.request.batch, length, bench.threads)


def smallest_students(bench: Workbench) -> tuple[Encoder, ...]:
    """One head in the first layer, nothing else: what no student can be faster than.

    The first is the teacher's; the others, of the networks of `--start`, have random weights.
    """
    starts = (Encoder(student_architecture(shape, _one_head(shape))).eval() for shape in bench.starts)
    return (inherit(bench.root, _one_head(bench.root.architecture)), *starts)


def _one_head(shape: Architecture) -> Cut:
    return Cut((LayerCut((0,), ()), *(LayerCut((), ()),) * (len(shape.layers) - 1)))


def _lower_bound_ms(bench: Workbench, workload: Workload) -> float | None:
    """The promised percentile of the smallest student; None = there can be no student."""
    if bench.teacher.architecture is None:
        return None
    smallest = smallest_students(bench)
    models = [
        (precision, apply_precision(student.emit(), precision).SerializeToString())
        for student in smallest
        for precision in bench.precisions
    ]
    _check_size(bench, min(len(model) for _, model in models))
    reached = min(
        fresh_percentile(bench, model, options, workload, PROBE_SECONDS)[1]
        for precision, model in models
        for options in one_per_runtime(bench.device, workload.threads, precision)
    )
    limit_ms = bench.request.budget.max_latency_ms
    if limit_ms is not None and reached > limit_ms:
        raise InfeasibleError(
            f"--max-latency {format_ms(limit_ms)} cannot be kept on this device: {_smallest_in_words(bench)}, takes "
            f"{format_ms(reached)} at {workload.in_words}",
            nearest_ms=NEAREST_MARGIN * reached,
            cost=_cost_in_words(bench, smallest[0]),
        )
    return reached


def _smallest_in_words(bench: Workbench) -> str:
    return "the smallest student, one head of the teacher" + (" or of a network of --start" if bench.starts else "")


def _check_size(bench: Workbench, smallest: int) -> None:
    """Refuse a size that nothing can keep."""
    most, tokenizer = bench.request.budget.max_size_bytes, tokenizer_bytes(bench.teacher.folder)
    if most is not None and smallest + tokenizer > most:
        raise TooLargeError(
            f"--max-size {format_bytes(most)} cannot be kept: {_smallest_in_words(bench)}, takes "
            f"{format_bytes(smallest)}, and its tokenizer {format_bytes(tokenizer)}",
            missing_bytes=round(SIZE_MARGIN * (smallest + tokenizer)) - most,
        )


def _cost_in_words(bench: Workbench, student: Encoder) -> str:
    """What a student loses of the teacher's accuracy before any distillation."""
    drop = selection_drop(bench, student.emit().SerializeToString(), CompileOptions(threads=1), Precision.FP32)
    return f"about {drop:.0f} points of {bench.data.spec.metric} on the selection split, before distillation"


def climb_ladder(bench: Workbench, prepared: Prepared) -> Ladder:
    """The unpruned teacher, compiled at each precision."""
    feeds = bench.feeds(prepared.workload)
    models = _rung_models(bench)

    def drop_of(precision: Precision, options: CompileOptions) -> float:
        return selection_drop(bench, models[precision], options, precision) if precision is not Precision.FP32 else 0.0

    budget, threads = bench.request.budget, prepared.workload.threads
    shipped_with = tokenizer_bytes(bench.teacher.folder)
    rungs = climb(bench.device, models, feeds, budget, threads, drop_of, bench.run.path, shipped_with=shipped_with)
    rungs = tuple(each for rung in rungs for each in (rung, _mixed(bench, feeds, rung, shipped_with)) if each)
    for rung in rungs:
        bench.run.measured("ladder", f"{rung.precision}{', mixed' if rung.kept else ''}", rung)
        bench.observer.note(
            f"{rung.name}: p50 {format_ms(rung.latency.p50_ms)}, p95 {format_ms(rung.latency.p95_ms)}, "
            f"drop {rung.drop_points:+.2f} points on the selection split"
        )
    return check_ladder(Ladder(rungs, small=budget.max_size_bytes is not None))


def _mixed(bench: Workbench, feeds: Sequence[Feeds], rung: Rung, shipped_with: int) -> Rung | None:
    """The rung with some products in float32, where all in int8 lose too much but are fast enough; else None."""
    if rung.keeps_accuracy or not rung.keeps_latency or rung.precision is Precision.FP32:
        return None
    budget, precision = bench.request.budget, rung.precision
    sizes, end = products(bench.teacher_graph), time.monotonic() + MIXING_SHARE * bench.request.time_budget_s
    looks = _Looks(bench, rung)
    kept = put_back(
        sizes,
        looks.divergence,
        looks.drop,
        most_points=budget.max_accuracy_drop_points,
        more=lambda: time.monotonic() < end,
    )
    lost = f"{rung.name} lost {rung.drop_points:.2f} points"
    if kept is None:
        bench.observer.note(f"{lost}, and no part of its products in fp32 was enough in the time for it")
        return None
    bench.observer.note(f"{lost}: {len(kept)} of {len(sizes)} products go back to fp32")
    models: dict[Precision, bytes] = {precision: bench.teacher_model(precision, kept=kept)}
    drop = looks.drop(frozenset(kept))
    (mixed,) = climb(
        bench.device,
        models,
        feeds,
        budget,
        rung.options.threads,
        lambda *_: drop,
        bench.run.path,
        shipped_with=shipped_with,
    )
    return replace(mixed, kept=kept) if mixed.keeps_latency else None


@dataclass(frozen=True)
class _Looks:
    """What a rung loses with some products in float32; every look is written down for a continuation."""

    bench: Workbench
    rung: Rung

    def divergence(self, kept: frozenset[str]) -> float:
        """From the model in float32, on some rows."""
        tokens = self.bench.selection.tokens
        tokens = tokens.select(np.arange(min(MIXING_ROWS, len(tokens))))
        per_token = self.bench.teacher.kind == "token-classification"
        expected = self.bench.selection_teacher[: len(tokens.ids if per_token else tokens)]

        def look() -> float:
            found = self.bench.outputs(self._model(kept), self.rung.options, tokens, self.rung.precision)
            return mean_divergence(self.bench.teacher.kind, torch.from_numpy(expected), torch.from_numpy(found))

        return self._written_down("divergence", kept, look)

    def drop(self, kept: frozenset[str]) -> float:
        """Points on the selection split."""
        options, precision = self.rung.options, self.rung.precision
        return self._written_down(
            "drop", kept, lambda: selection_drop(self.bench, self._model(kept), options, precision)
        )

    def _model(self, kept: frozenset[str]) -> bytes:
        return self.bench.teacher_model(self.rung.precision, kept=kept)

    def _written_down(self, what: str, kept: frozenset[str], look: Callable[[], float]) -> float:
        self.bench.observer.progress(0.0, f"{self.rung.precision}: {what} with {len(kept)} products in fp32")
        return self.bench.run.choose(f"ladder.{self.rung.precision}.{what}.{digest(*sorted(kept))}", look)


def _rung_models(bench: Workbench) -> dict[Precision, bytes]:
    """The teacher in the wanted precisions; a pass that finds nothing to change in a graph gives no rung."""
    models: dict[Precision, bytes] = {}
    for precision in bench.precisions:
        result = bench.quantised(bench.teacher.encoder, precision)
        smaller = result.modified and bench.request.budget.max_size_bytes is not None
        if result.products or smaller or precision is Precision.FP32:
            models[precision] = result.model.SerializeToString()
        else:
            bench.observer.note(f"no teacher in {precision}: its graph has no product with a constant matrix")
    if not models:
        raise InputError(f"--precision: this teacher needs fp32 among them, got {', '.join(bench.request.precisions)}")
    return models


def selection_drop(bench: Workbench, model: bytes, options: CompileOptions, precision: Precision) -> float:
    """Points that a model loses of the fp32 teacher's metric on the selection part."""
    metric, targets = get_metric(bench.data.spec.metric), bench.selection_targets
    outputs = bench.outputs(model, options, bench.selection.tokens, precision)
    return points(metric(bench.selection_teacher, targets)) - points(metric(outputs, targets))


def build_table(bench: Workbench, prepared: Prepared, ladder: Ladder, root: Architecture) -> LatencyTable:
    """The latency table of a network's ops in the fastest precision; kept for every later run on this device."""
    rung = ladder.fastest
    conditions = TableConditions(
        device=bench.device_fingerprint.key,
        runtime=bench.device.runtime_of(rung.options),
        teacher=root,
        precision=rung.precision,
        options=rung.options,
        workload=prepared.workload,
    )
    store = TableStore(bench.cache / TABLES, note=bench.observer.note)
    kept = None if bench.fresh else store.find(conditions)
    if kept is not None:
        return refreshed(bench.device, kept)
    return measured_table(bench.device, conditions, store, bench.observer)


def source_encoder(bench: Workbench, source: Source | None) -> Encoder:
    """What is cut; None = the teacher."""
    if source is None:
        return bench.root
    return load_encoder(source.architecture, weights_path(bench, source.tag))


def weights_path(bench: Workbench, tag: str) -> Path:
    """The trained student's weights."""
    return bench.run.file(f"student{tag}.safetensors")


def student_encoder(bench: Workbench, confirmed: Confirmed, *, tag: str) -> Encoder:
    """The trained student."""
    return load_encoder(confirmed.architecture, weights_path(bench, tag))


def load_encoder(shape: Architecture, path: Path) -> Encoder:
    """An encoder of that shape with weights from a file."""
    encoder = Encoder(shape)
    encoder.load_state_dict(load_file(path))
    return encoder.eval()

"""The stages behind the choice: export a candidate, verify its files, compare it with what users know."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor import __version__
from compressor.bench import batch_latencies, length_latencies, measure_of
from compressor.encoder import Encoder
from compressor.errors import ResourceError, UnavailableError
from compressor.export import (
    ENGINE,
    EVALUATION,
    EVIDENCE,
    PAGE,
    REPORT,
    EvaluationData,
    tokenizer_bytes,
    write_evaluation,
    write_manifest,
    write_models,
    write_texts,
)
from compressor.export.graphs import checked, final_graph
from compressor.export.kernels import check_kernels
from compressor.pipeline.checking import check_files, check_graphs
from compressor.pipeline.evidence import gather
from compressor.pipeline.stages import student_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions, LatencySummary
from compressor.records.promise import Workload
from compressor.records.results import EAGER, Manifest, Report, Row, StageTime, Verification
from compressor.records.serial import save
from compressor.records.stages import Candidate, Comparison, Ladder, Prepared, Rung
from compressor.records.units import format_ms
from compressor.report.page import read_answers, render_page
from compressor.runtimes.local import OPENVINO
from compressor.runtimes.statistics import summarise
from compressor.search.ladder import fresh_latency
from compressor.tasks import get_metric, metric_interval, points
from compressor.teachers import ForeignModel, weights_path
from compressor.teachers.eager import eager_baseline
from compressor.verification import read_manifest, verify_bundle

COMPARE_SECONDS = 2.0
SHAPE_SECONDS, LONGEST_RUN_S = 0.4, 0.1  # for each length and batch
# Lengths that an engine is compiled for: the workload's, and parts of it for shorter inputs.
PARTS_OF_LENGTH = (1, 2, 4)


def bundle_folder(bench: Workbench, candidate: Candidate) -> Path:
    """Where a candidate's bundle is made."""
    return bench.run.file(f"bundle{candidate.tag}")


def export(bench: Workbench, prepared: Prepared, candidate: Candidate) -> Manifest:
    """Write the bundle of a candidate, without its report."""
    folder = bundle_folder(bench, candidate)
    encoder = _encoder(bench, candidate)
    shape = candidate.student.architecture if candidate.student else bench.teacher.architecture
    model = checked(bench.quantised(encoder, candidate.precision, kept=candidate.kept).model, candidate.precision)
    fp32 = final_graph(encoder, Precision.FP32)
    emitted_difference = check_graphs(bench, encoder, fp32, model, candidate.precision)
    options = write_models(folder, model, bench.device, _for_use(bench, candidate.options, prepared.workload))
    write_texts(folder, bench.teacher.folder, bench.config(), shape)
    check_files(bench, folder, options, candidate.precision)
    if isinstance(encoder, Encoder):  # what foreign graphs look like is not known
        check_kernels(model, bench.device.kernels(folder / ENGINE, options))
    tokens, teacher = bench.evaluation.tokens, bench.evaluation_teacher
    evaluation = EvaluationData(
        tokens=tokens,
        targets=bench.evaluation_targets,
        teacher=teacher,
        student=bench.fp32_outputs(fp32, tokens) if candidate.student or bench.trimmed_from else teacher,
        engine=bench.outputs(folder / ENGINE, options, tokens, candidate.precision),
    )
    write_evaluation(folder, evaluation)
    manifest = Manifest(
        version=__version__,
        files={},
        engine=ENGINE,
        inputs=encoder.inputs,
        runtime=bench.device.runtime_of(options),
        options=options,
        device=bench.device_fingerprint.key,
        device_model=bench.device_fingerprint.model,
        workload=prepared.workload,
        budget=bench.request.budget,
        task=prepared.task,
        teacher_digest=bench.teacher.digest,
        data_digest=bench.data.digest,
        precision=candidate.precision,
        architecture=shape,
        max_length=bench.teacher.max_length,
        pad_id=bench.pad_id,
        emitted_difference=emitted_difference,
        seed=bench.request.seed,
        kept=candidate.kept,
        distill=bench.losses if candidate.student else None,
    )
    return write_manifest(folder, manifest)


def _for_use(bench: Workbench, options: CompileOptions, workload: Workload) -> CompileOptions:
    """Options of an engine for any inputs: a few shapes are compiled, where the runtime wants to know them."""
    if options.runtime != OPENVINO:
        return options
    lengths = {max(1, workload.sequence_length // part) for part in PARTS_OF_LENGTH}
    shapes = tuple((workload.batch, length) for length in sorted(lengths))
    return replace(options, shapes=shapes, pad_id=bench.pad_id)


def _encoder(bench: Workbench, candidate: Candidate) -> Encoder | ForeignModel:
    if candidate.student is None:
        return bench.teacher.encoder
    return student_encoder(bench, candidate.student, tag=candidate.tag)


def verify(bench: Workbench, candidate: Candidate) -> Verification:
    """Check every promise on the bundle's files."""
    folder = bundle_folder(bench, candidate)
    verification = verify_bundle(folder, bench.device, manifest=read_manifest(folder))
    bench.run.measured("verify", candidate.name, verification)
    return verification


def compare(bench: Workbench, prepared: Prepared, ladder: Ladder, candidate: Candidate) -> Comparison:
    """The teacher in eager PyTorch, compiled in fp32, and in int8, measured like the engine and right after it.

    And the engine at other lengths and in batches.
    """
    rows = [row for row in (_eager_row(bench, prepared.workload),) if row is not None]
    rows += [_rung_row(bench, prepared.workload, rung) for rung in ladder.rungs]
    folder, tokens = bundle_folder(bench, candidate), bench.evaluation.tokens
    measure = measure_of(bench.device, folder / ENGINE, read_manifest(folder).options)
    lengths = length_latencies(measure, tokens, bench.pad_id, seconds=SHAPE_SECONDS, longest_run_s=LONGEST_RUN_S)
    batches = batch_latencies(measure, tokens, prepared.workload, seconds=SHAPE_SECONDS, longest_run_s=LONGEST_RUN_S)
    return Comparison(tuple(rows), tuple(lengths), tuple(batches), tuple(_why_fp32(ladder, candidate)))


def _why_fp32(ladder: Ladder, candidate: Candidate) -> Iterator[str]:
    """Where fp32 ships, what int8 would have been."""
    if candidate.precision is not Precision.FP32:
        return
    for rung in ladder.rungs:
        if rung.precision is not Precision.FP32:
            yield (
                f"fp32 ships: {rung.name} takes {format_ms(rung.latency.p50_ms)} in the middle, against "
                f"{format_ms(ladder.rungs[0].latency.p50_ms)}, and loses {rung.drop_points:.2f} points on the "
                "selection split"
            )


def _eager_row(bench: Workbench, workload: Workload) -> Row | None:
    if find_spec("transformers") is None or bench.profile.runtime == "fake":
        return None
    tokens, outputs = bench.run.file("evaluation-tokens"), bench.run.file("eager.npy")
    bench.evaluation.tokens.save(tokens)
    try:
        samples = eager_baseline(
            bench.teacher.folder,
            bench.feeds(workload),
            tokens,
            outputs,
            threads=workload.threads,
            seconds=COMPARE_SECONDS,
            pad_id=bench.pad_id,
        )
    except (UnavailableError, ResourceError) as error:
        bench.observer.note(f"no eager baseline: {error}")
        return None
    weights = weights_path(bench.teacher.folder)
    return _row(bench, EAGER, np.load(outputs), summarise([samples]), weights.stat().st_size)


def _rung_row(bench: Workbench, workload: Workload, rung: Rung) -> Row:
    model, tokens = bench.teacher_model(rung.precision, kept=rung.kept), bench.evaluation.tokens
    whole = rung.precision is Precision.FP32 and bench.trimmed_from is None
    logits = bench.evaluation_teacher if whole else bench.outputs(model, rung.options, tokens, rung.precision)
    latency, _ = fresh_latency(
        bench.device, model, bench.feeds(workload), rung.options, bench.run.path, seconds=COMPARE_SECONDS
    )
    return _row(bench, rung.name, logits, latency, len(model))


def _row(bench: Workbench, name: str, logits: NDArray[np.float32], latency: LatencySummary, weights: int) -> Row:
    metric, targets = bench.data.spec.metric, bench.evaluation_targets
    interval = metric_interval(metric, logits, targets, seed=bench.request.seed)
    accuracy = points(get_metric(metric)(logits, targets))
    size = weights + tokenizer_bytes(bench.teacher.folder)
    return Row(name, accuracy, interval.low, interval.high, latency.p50_ms, latency.p95_ms, size)


def report(
    bench: Workbench,
    prepared: Prepared,
    candidate: Candidate,
    manifest: Manifest,
    verification: Verification,
    comparison: Comparison,
    stages: tuple[StageTime, ...],
    *,
    evaluation_reads: int,
    command: tuple[str, ...],
) -> Report:
    """Put everything together, and into the bundle; `command` is what asked for it."""
    accuracy, summary = verification.accuracy, verification.latency.summary
    own = Row(
        candidate.name,
        accuracy.points,
        accuracy.low,
        accuracy.high,
        summary.p50_ms,
        summary.p95_ms,
        verification.size.engine_bytes + verification.size.tokenizer_bytes,
    )
    result = Report(
        version=__version__,
        date=bench.run.finished_at(f"verify{candidate.tag}").isoformat(timespec="seconds"),
        teacher=str(bench.trimmed_from or bench.request.teacher),
        data=bench.request.data,
        target=bench.request.target,
        device=bench.device_fingerprint.model,
        cores=bench.device_fingerprint.usable_cores,
        task=prepared.task,
        budget=bench.request.budget,
        workload=prepared.workload,
        chosen=candidate.name,
        precision=candidate.precision,
        architecture=manifest.architecture,
        teacher_layers=teacher.layers if (teacher := bench.teacher.architecture) else (),
        options=replace(candidate.options, shapes=manifest.options.shapes, pad_id=manifest.options.pad_id),
        predicted_ms=candidate.student.predicted_ms if candidate.student else None,
        rows=(*(row for row in comparison.rows if row.name != own.name), own),
        verification=verification,
        lengths=prepared.lengths,
        stages=stages,
        evaluation_reads=evaluation_reads,
        seed=bench.request.seed,
        notes=(*prepared.notes, *comparison.notes),
        kept=candidate.kept,
        command=command,
        distill=bench.request.distill,
    )
    folder = bundle_folder(bench, candidate)
    evidence = gather(bench, prepared, candidate, comparison)
    save(result, folder / REPORT)
    save(evidence, folder / EVIDENCE)
    answers = read_answers(EvaluationData.load(folder / EVALUATION), prepared.task, folder / "tokenizer.json")
    (folder / PAGE).write_text(render_page(result, evidence, answers), encoding="utf-8")
    write_manifest(folder, manifest)
    return result

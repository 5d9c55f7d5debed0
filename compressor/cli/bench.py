"""`compressor bench`: how fast a bundle is here, for people and machines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.errors import ExitCode
from compressor.records.units import format_ms

if TYPE_CHECKING:
    from compressor.records.bench import BenchResult
    from compressor.records.profile import DeviceFingerprint


def bench(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every number as JSON.")] = False,
) -> int:
    """Measure a bundle in use: latency, lengths, batches, cold start, tokens.

    compressor bench bundle
    """
    from compressor.cli.watching import one_stage
    from compressor.records.serial import to_json

    with one_stage("bench", "measure the bundle in fresh processes") as observer:
        from compressor.bench import bench_bundle  # loads the runtime
        from compressor.verification import open_bundle_device, read_manifest

        manifest = read_manifest(bundle)
        device = open_bundle_device(manifest)
        result = bench_bundle(bundle, manifest, device, progress=observer.progress)
    typer.echo(to_json(result) if as_json else in_words(result))
    return int(ExitCode.MET)


def in_words(result: "BenchResult") -> str:
    """Tables and lines."""
    from compressor.report import BATCHES_HEADER, LENGTHS_HEADER, batch_cells, length_cells, plain_table

    latency, start, words = result.latency, result.cold_start, result.tokenisation
    at = f"{100 * latency.confidence:g} %"
    lines = [
        result.workload.in_words,
        f"{latency.samples} runs in {latency.processes} processes, {latency.rows_per_s:.0f} rows/s",
        f"the machine was disturbed for {100 * latency.disturbed_share:.1f} % of the time",
        plain_table(("latency", "measured", f"at least ({at})", f"at most ({at})"), _percentile_cells(result)),
        "",
        plain_table(LENGTHS_HEADER, [length_cells(part) for part in result.lengths]),
        *_left_out(result),
        "",
        plain_table(BATCHES_HEADER, [batch_cells(batch) for batch in result.batches]),
        "",
        f"cold start: {start.start_to_answer_s:.2f} s from start to first answer, loading {start.load_s:.2f} s",
        f"tokenisation: p50 {words.p50_us:.0f} us, p95 {words.p95_us:.0f} us per text",
        environment(result.device),
        *result.notes,
    ]
    return "\n".join(lines)


def environment(device: "DeviceFingerprint") -> str:
    """What timing depends on, on one line."""
    quota = "none" if device.cpu_quota is None else f"{device.cpu_quota:g} CPUs"
    smt = {None: "unknown", True: "on", False: "off"}[device.smt]
    return (
        f"{device.model}: {device.affinity_cores} of {device.logical_cores} hardware threads, quota {quota}, "
        f"SMT {smt}, governor {device.governor or 'unknown'}"
    )


def _percentile_cells(result: "BenchResult") -> list[tuple[str, ...]]:
    return [
        (f"p{p.percent:g}", *("-" if ms is None else format_ms(ms) for ms in (p.value_ms, p.low_ms, p.high_ms)))
        for p in result.latency.percentiles
    ]


def _left_out(result: "BenchResult") -> list[str]:
    """What the table of the lengths does not have."""
    from compressor.records.bench import share_left_out

    share = share_left_out(result.lengths)
    longest = result.lengths[-1].longest
    return [f"longer rows were left out: {100 * share:.1f} % have more than {longest} tokens"] if share else []

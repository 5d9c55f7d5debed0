"""What is different for a teacher that cannot be cut: its graph is not ours, and the ladder is all there is."""

from collections.abc import Iterator

import numpy as np
import torch

from compressor.errors import InfeasibleError, InputError
from compressor.pipeline.percentile import NEAREST_MARGIN, fresh_percentile
from compressor.pipeline.workbench import Workbench
from compressor.records.latency import CompileOptions
from compressor.records.promise import Workload
from compressor.records.stages import Ladder, Rung
from compressor.records.units import format_bytes, format_ms
from compressor.runtimes import Feeds
from compressor.teachers import FAMILIES
from compressor.teachers.exporting import first_line
from compressor.verification import difference
from compressor.verification.numerics import EMITTED_TOLERANCE

CHECKED_ROWS = 64
LONGEST_CHECKED = 512  # the memory of attention grows with the square of the length
NEAREST_SECONDS = 3.0


@torch.inference_mode()
def check_exported(bench: Workbench) -> None:
    """Compare the exported graph with torch, before anything is measured on it.

    Raises:
        InputError: It answers differently, or not at all.
    """
    model = bench.teacher.encoder
    engine = bench.device.compile(bench.teacher_graph.SerializeToString(), CompileOptions(1))
    for feeds in _probes(bench):
        expected = model(*(torch.from_numpy(feeds[name]) for name in model.inputs)).numpy()
        rows, length = feeds["input_ids"].shape
        try:
            found = difference(engine.run({name: feeds[name] for name in engine.inputs}), expected)
        except Exception as error:  # a runtime's own type
            raise _unfaithful(
                bench, f"does not run on {rows} rows of length {length} ({first_line(error)})"
            ) from error
        if found > EMITTED_TOLERANCE:
            raise _unfaithful(
                bench,
                f"differs from torch by {found:.3g} in a logit on {rows} rows of length {length}, allowed "
                f"{EMITTED_TOLERANCE}",
            )


def _probes(bench: Workbench) -> Iterator[Feeds]:
    """Real rows, padded; then the shortest and a long input, which real rows may not be, but users' may."""
    tokens = bench.selection.tokens
    yield tokens.padded(np.arange(min(CHECKED_ROWS, len(tokens))), bench.pad_id)
    for length in (1, min(LONGEST_CHECKED, bench.teacher.max_length)):
        ids = np.resize(tokens.ids.astype(np.int64), (1, length))
        yield {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def _unfaithful(bench: Workbench, why: str) -> InputError:
    return InputError(
        f"--teacher: the family {_family(bench)} has no adapter, and its exported graph {why}; use a teacher of one "
        f"of these families: {', '.join(FAMILIES)}"
    )


def _family(bench: Workbench) -> str:
    return repr(bench.teacher.config.get("model_type"))


def no_rung_left(bench: Workbench, workload: Workload, ladder: Ladder) -> InfeasibleError:
    """The error where no rung keeps every promise and the next step would be to cut.

    The nearest limit is that of the fastest rung among those that keep the other promises.
    """
    kept = [rung for rung in ladder.rungs if rung.keeps_accuracy and rung.keeps_size] or ladder.rungs
    rung = min(kept, key=lambda rung: rung.latency.p50_ms)
    model = bench.teacher_model(rung.precision, kept=rung.kept)
    _, reached_ms = fresh_percentile(bench, model, rung.options, workload, NEAREST_SECONDS)
    return InfeasibleError(
        f"no precision of the teacher keeps every promise ({', '.join(_in_words(rung) for rung in ladder.rungs)}), "
        f"and it cannot be cut: its family {_family(bench)} has no adapter; families that can be cut: "
        f"{', '.join(FAMILIES)}",
        nearest_ms=NEAREST_MARGIN * reached_ms,
        cost=f"{rung.drop_points:.2f} points of {bench.data.spec.metric} on the selection split and "
        f"{format_bytes(rung.size_bytes)}, as {rung.name}",
    )


def _in_words(rung: Rung) -> str:
    return (
        f"{rung.name}: p95 {format_ms(rung.latency.p95_ms)}, drop {rung.drop_points:.2f} points, "
        f"{format_bytes(rung.size_bytes)}"
    )

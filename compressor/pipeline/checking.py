"""Do the graphs that ship compute what the student computes? Asked at every export, before anything is promised."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.export import ENGINE, MODEL
from compressor.pipeline.blocks import check_blocks
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, Precision
from compressor.records.latency import CompileOptions
from compressor.records.results import TOLERANCE
from compressor.tasks import TextTokenizer, encode_split
from compressor.teachers import ForeignModel
from compressor.verification import difference
from compressor.verification.numerics import EMITTED_TOLERANCE
from compressor.verification.quantised import check_int8

REAL_ROWS, MADE_UP_ROWS = 64, 2

Batch = dict[str, NDArray[np.int64]]


def check_graphs(
    bench: Workbench,
    encoder: Encoder | ForeignModel,
    fp32: onnx.ModelProto,
    model: onnx.ModelProto,
    precision: Precision,
) -> float:
    """Compare the fp32 graph with torch, whole and block by block, and the graph that ships with the fp32 one.

    Args:
        bench: What all stages share.
        encoder: What both were emitted from.
        fp32: In float32.
        model: In the precision that ships.
        precision: Of `model`.

    Returns:
        Largest logit difference between torch and the fp32 graph as the runtime compiles it, on real, padded rows.

    Raises:
        BorderError: Something differs by more than rounding; the first block or product is named.
    """
    real = _real(bench)
    if isinstance(encoder, Encoder):
        for batch in (real, _made_up(encoder.architecture, bench.pad_id, bench.request.seed)):
            check_blocks(encoder, fp32, {name: batch[name] for name in encoder.inputs}, bench.device)
    if precision is not Precision.FP32:
        ranges = bench.ranges(encoder) if precision is Precision.INT8_STATIC else None
        check_int8(model, fp32, bench.device, levels=bench.weight_levels, ranges=ranges)
    return _emitted_difference(bench, encoder, fp32, real)


def check_files(bench: Workbench, folder: Path, options_of_engine: CompileOptions, precision: Precision) -> None:
    """Compare the engine of a bundle with its portable model, and its tokenizer with the one that was trained with.

    Raises:
        BorderError: They give other outputs, or other tokens.
    """
    portable, engine = (
        bench.device.compile(folder / name, options)
        for name, options in ((MODEL, CompileOptions(1, optimise=False)), (ENGINE, options_of_engine))
    )
    found = max(
        difference(*(each.run({name: batch[name] for name in each.inputs}) for each in (portable, engine)))
        for batch in _as_run(bench, options_of_engine)
    )
    if found > TOLERANCE[precision]:
        raise BorderError(
            f"{ENGINE} differs from {MODEL} by {found:.3g} in a logit, allowed {TOLERANCE[precision]}: the runtime's "
            "optimiser changed it, or it is of another model"
        )
    if not gives_same_tokens(bench, TextTokenizer(folder)):
        raise BorderError(
            "the tokenizer in the bundle gives other tokens than the one that the student was trained with"
        )


def gives_same_tokens(bench: Workbench, tokenizer: TextTokenizer) -> bool:
    """Whether a tokenizer gives the teacher's tokens of the first training rows."""
    split = bench.data.splits["train"]
    rows = split.select("first", np.arange(min(REAL_ROWS, len(split.texts))))
    expected, found = (
        encode_split(each, rows, bench.data.spec, max_length=bench.teacher.max_length)[0]
        for each in (bench.tokenizer, tokenizer)
    )
    return np.array_equal(found.ids, expected.ids)


def _as_run(bench: Workbench, options: CompileOptions) -> Iterator[Batch]:
    """Real rows: together, or so many at once as an engine for certain shapes is compiled for."""
    tokens = bench.selection.tokens
    rows = np.arange(min(REAL_ROWS, len(tokens)))
    at_once = options.shapes[0][0] if options.shapes else len(rows)
    for begin in range(0, len(rows), at_once):
        yield tokens.padded(rows[begin : begin + at_once], bench.pad_id)


def _real(bench: Workbench) -> Batch:
    tokens = bench.selection.tokens
    return tokens.padded(np.arange(min(REAL_ROWS, len(tokens))), bench.pad_id)


def _made_up(shape: Architecture, pad_id: int, seed: int) -> Batch:
    """What real rows may not have and users' may: any token, both token types, the longest input."""
    random = np.random.default_rng(seed)
    size = (MADE_UP_ROWS, shape.positions)
    mask = (np.arange(shape.positions) < random.integers(1, shape.positions + 1, (MADE_UP_ROWS, 1))).astype(np.int64)
    mask[0] = 1
    return {
        "input_ids": np.where(mask, random.integers(0, shape.vocabulary, size), pad_id),
        "attention_mask": mask,
        "token_type_ids": random.integers(0, max(shape.token_types, 1), size),
    }


@torch.inference_mode()
def _emitted_difference(
    bench: Workbench, encoder: Encoder | ForeignModel, graph: onnx.ModelProto, batch: Batch
) -> float:
    expected = encoder(*(torch.from_numpy(batch[name]) for name in encoder.inputs)).numpy()
    engine = bench.device.compile(graph.SerializeToString(), CompileOptions(1))
    found = difference(engine.run({name: batch[name] for name in engine.inputs}), expected)
    if found > EMITTED_TOLERANCE:
        raise BorderError(
            f"the emitted graph differs from the torch student by {found:.3g} in a logit, allowed {EMITTED_TOLERANCE}"
        )
    return found

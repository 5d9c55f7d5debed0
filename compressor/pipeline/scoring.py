"""The stage that scores cuts, and the text that it and the refits read; scores of a teacher are kept for later runs.

scores/0123456789abcdef.json = digest of teacher, data, columns, seed, rows and the width of the word table
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.errors import CompressorError
from compressor.pipeline.stages import source_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture
from compressor.records.score import ScoredSpace, check_scores
from compressor.records.serial import digest, load, save
from compressor.records.stages import Source
from compressor.score import Batch, affordable_rows, calibration_batches, score_space
from compressor.space import head_levels, neuron_levels

SCORES = "scores"  # folder in the cache
METHOD = 1  # of scoring; scores that another method made are made anew

DAMAGE_ROWS = 192
FITTING_TOKENS = 30_000  # some ten times the units of the widest projection
MIN_DAMAGE_ROWS, DAMAGE_SHARE = 24, 0.15  # of the time budget, which a deep teacher would use up
TOKEN_DAMAGE_ROWS = 64  # of a per-token teacher, which answers many times per row and computes every position


def damage_rows(shape: Architecture) -> int:
    """Rows that cuts are judged on, where there is time."""
    return TOKEN_DAMAGE_ROWS if shape.per_token else DAMAGE_ROWS


def _shuffled_rows(bench: Workbench) -> NDArray[np.int64]:
    """The training rows in the order in which calibrations take them."""
    return np.random.default_rng(bench.request.seed).permutation(len(bench.train))


def _fitting_rows(bench: Workbench, order: NDArray[np.int64]) -> int:
    """How many of the rows projections are fitted on."""
    return max(1, int(np.searchsorted(np.cumsum(bench.train.lengths[order]), FITTING_TOKENS)))


def _batches(bench: Workbench, rows: NDArray[np.int64]) -> Sequence[Batch]:
    """Training text without its labels."""
    shape = bench.root.architecture
    outputs = shape.classes if shape.per_token else 1
    return calibration_batches(bench.train.select(rows), pad_id=bench.pad_id, outputs_per_token=outputs)


def calibration_text(bench: Workbench) -> Sequence[Batch]:
    """What projections are fitted on."""
    order = _shuffled_rows(bench)
    return _batches(bench, order[: _fitting_rows(bench, order)])


def score(bench: Workbench, *, tag: str = "", source: Source | None = None) -> ScoredSpace:
    """What every cut costs, from training text without its labels.

    Args:
        bench: What all stages share.
        tag: Of its choices.
        source: What is cut; None = the teacher.
    """
    encoder, order = source_encoder(bench, source), _shuffled_rows(bench)
    shape = source.root if source else encoder.architecture
    wanted = damage_rows(shape)
    first, rest = np.split(order, [_fitting_rows(bench, order)])
    fitting = _batches(bench, first)
    seconds = DAMAGE_SHARE * bench.request.time_budget_s
    affordable = bench.run.choose(f"score{tag}.rows", lambda: affordable_rows(encoder, fitting, seconds))
    count = min(wanted, max(MIN_DAMAGE_ROWS, affordable))
    if count < wanted:
        bench.observer.note(f"cuts are judged on {count} rows instead of {wanted}, as many as the time budget allows")
    damage = _batches(bench, rest[:count] if len(rest) else first[:count])

    def scored() -> ScoredSpace:
        return score_space(
            encoder,
            fitting,
            damage,
            levels=(head_levels(shape), neuron_levels(shape)),
            seed=bench.request.seed,
            progress=bench.observer.progress,
        )

    space = scored() if source else _kept(bench, count, scored)
    return check_scores(space, encoder.architecture)


def _kept(bench: Workbench, count: int, scored: Callable[[], ScoredSpace]) -> ScoredSpace:
    """The teacher's scores of an earlier run that judged as many rows, else new ones."""
    request = bench.request
    columns = (request.text_columns, request.label_column)
    rank = bench.root.architecture.word_rank
    key = digest(bench.teacher.digest, bench.data.digest, columns, request.seed, count, METHOD, rank)
    path = bench.cache / SCORES / f"{key}.json"
    if path.exists() and not bench.fresh:
        try:
            return check_scores(load(ScoredSpace, path), bench.root.architecture)
        except CompressorError as error:
            bench.observer.note(f"kept scores cannot be used, cuts are scored anew: {error}")
    space = scored()
    path.parent.mkdir(parents=True, exist_ok=True)
    save(space, path)
    return space

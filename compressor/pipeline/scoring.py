"""The stage that scores cuts, and the text that it and the refits read; scores of a teacher are kept for later runs.

scores/0123456789abcdef.json = digest of teacher, text, seed, rows and the width of the word table
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.distill.overdraft import overdraft_notes
from compressor.encoder import Encoder
from compressor.errors import CompressorError
from compressor.pipeline.answering import text_digest
from compressor.pipeline.stages import source_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture
from compressor.records.score import ScoredSpace, check_scores
from compressor.records.serial import digest, load, save
from compressor.records.stages import Source
from compressor.score import Batch, affordable_rows, calibration_batches, score_space
from compressor.space import head_levels, neuron_levels

SCORES = "scores"  # folder in the cache
METHOD = 2  # of scoring; scores that another method made are made anew

DAMAGE_ROWS = 192
FITTING_TOKENS = 30_000  # some ten times the units of the widest projection
# Bytes of what all sub-layers come to on them, which a refit holds: of a wide and deep teacher there are fewer tokens.
MOST_REFERENCE_BYTES = 2_500_000_000
MIN_DAMAGE_ROWS, DAMAGE_SHARE = 24, 0.15  # of the time budget, which a deep teacher would use up
TOKEN_DAMAGE_ROWS = 64  # of a per-token teacher, which answers many times per row and computes every position


def damage_rows(shape: Architecture) -> int:
    """Rows that cuts are judged on, where there is time."""
    return TOKEN_DAMAGE_ROWS if shape.per_token else DAMAGE_ROWS


def _shuffled_rows(bench: Workbench) -> NDArray[np.int64]:
    """The training rows in the order in which calibrations take them."""
    return np.random.default_rng(bench.request.seed).permutation(len(bench.train))


def fitting_tokens(shape: Architecture) -> int:
    """Tokens of the text that projections of an encoder are fitted on."""
    per_token = 4 * shape.hidden * 2 * len(shape.layers)  # float32, for attention and feed-forward
    return min(FITTING_TOKENS, MOST_REFERENCE_BYTES // per_token)


def _fitting_rows(bench: Workbench, order: NDArray[np.int64]) -> int:
    """How many of the rows projections are fitted on."""
    most = fitting_tokens(bench.root.architecture)
    return max(1, int(np.searchsorted(np.cumsum(bench.train.lengths[order]), most)))


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
    fitting_rows = _fitting_rows(bench, order)
    fitting = _batches(bench, order[:fitting_rows])
    count = _rows_in_time(bench, encoder, fitting, damage_rows(shape), tag=tag)
    damage = _batches(bench, _judged_rows(order, fitting_rows, count))

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


def _rows_in_time(bench: Workbench, encoder: Encoder, fitting: Sequence[Batch], wanted: int, *, tag: str) -> int:
    """Rows that cuts are judged on: as many as are wanted, or as there is time for; at least what tells something."""
    budget = bench.request.time_budget_s
    seconds = DAMAGE_SHARE * budget
    affordable = bench.run.choose(f"score{tag}.rows", lambda: affordable_rows(encoder, fitting, seconds))
    count = min(wanted, max(MIN_DAMAGE_ROWS, affordable))
    if count < wanted:
        bench.observer.note(f"cuts are judged on {count} rows instead of {wanted}, as many as the time budget allows")
    needed = seconds * count / max(1, affordable)
    for note in overdraft_notes(needed, seconds, share=DAMAGE_SHARE, time_budget_s=budget, what="scoring cuts"):
        bench.observer.note(note)
    return count


def _judged_rows(order: NDArray[np.int64], fitting_rows: int, count: int) -> NDArray[np.int64]:
    """Rows that nothing was fitted on, where there are enough to judge by; else the last ones, fitted on or not."""
    rest = order[fitting_rows:][:count]
    return rest if len(rest) >= min(count, MIN_DAMAGE_ROWS) else order[-count:]


def _kept(bench: Workbench, count: int, scored: Callable[[], ScoredSpace]) -> ScoredSpace:
    """The teacher's scores of an earlier run that judged as many rows, else new ones."""
    rank = bench.root.architecture.word_rank
    key = digest(bench.teacher.digest, text_digest(bench.train), bench.request.seed, count, METHOD, rank)
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

"""The stage that labels: the training text, and changed copies of it, with the teacher's answers to all of them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.distill.augmentation import Vocabulary, augmented, joined_texts
from compressor.distill.objectives import needs_of
from compressor.distill.overdraft import overdraft_notes
from compressor.distill.recipe import LABELLING_SHARE, ROWS_SEEN, copies_of, joined_of, rows_of
from compressor.pipeline.answering import teacher_answers, tokens_per_second
from compressor.pipeline.stages import source_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.stages import Labels, Source
from compressor.tasks import Tokens, joined
from compressor.tasks.ragged import take


def label(bench: Workbench) -> Labels:
    """Text and the teacher's logits, on disk."""
    tokens, logits = _text(bench)
    if copies := _copies(bench, tokens):
        more = _changed(bench, tokens, copies)
        tokens, logits = joined([tokens, more]), np.concatenate([logits, teacher_answers(bench, more)])
    tokens.save(bench.run.file("tokens"))
    np.save(bench.run.file("logits.npy"), logits)
    return Labels(*logits.shape)


def _text(bench: Workbench) -> tuple[Tokens, NDArray[np.float32]]:
    """What is trained on, and the teacher's answers to it: all of the text, or a sample of it."""
    sample = text_rows(bench)
    if len(sample) < len(bench.train):
        _say_sampled(bench, len(sample), len(bench.train))
        tokens = bench.train.select(sample)
        return tokens, teacher_answers(bench, tokens)
    answers, rows = teacher_answers(bench), bench.train_rows
    per_token = bench.teacher.kind == "token-classification"
    return bench.train, answers[take(bench.corpus.offsets, rows)[0] if per_token else rows]


def text_rows(bench: Workbench) -> NDArray[np.int64]:
    """Which rows of the text are trained on, in their order: all, or a sample."""
    rows, count = len(bench.train), _rows(bench)
    if count == rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(bench.request.seed).permutation(rows)[:count])


def _rows(bench: Workbench) -> int:
    """How many rows of the text are trained on."""
    rows, budget = len(bench.train), bench.request.time_budget_s
    if not bench.request.recipe.distilled:  # their labels are there
        return rows
    per_second = _rows_per_second(bench)
    return bench.run.choose("label.rows", lambda: rows_of(rows, rows_per_second=per_second, time_budget_s=budget))


def _say_sampled(bench: Workbench, count: int, rows: int) -> None:
    budget, needed = bench.request.time_budget_s, count / _rows_per_second(bench)
    why = "a training sees no more" if count == ROWS_SEEN else "as many as the teacher answers in the time for it"
    bench.observer.note(f"{count} of {rows} rows of the text are trained on, {why}")
    left = LABELLING_SHARE * budget
    for note in overdraft_notes(needed, left, share=LABELLING_SHARE, time_budget_s=budget, what="labelling"):
        bench.observer.note(note)


def teacher_speed(bench: Workbench) -> float:
    """Tokens per second that the teacher answers, measured once for all choices of the run."""
    return bench.run.choose("label.tokens_per_second", lambda: tokens_per_second(bench))


def _rows_per_second(bench: Workbench) -> float:
    return teacher_speed(bench) / float(bench.train.lengths.mean())


def answers_path(bench: Workbench, source: Source | None) -> Path:
    """File of the logits of what a student learns from, on everything that is trained on.

    Args:
        bench: What all stages share; its text is labelled.
        source: A trained network, which is asked when it is first needed; None = the teacher.
    """
    if source is None:
        return bench.run.file("logits.npy")
    path = bench.run.file(f"answers{source.tag}.npy")
    if not path.exists():
        graph = source_encoder(bench, source).emit()
        found = bench.fp32_outputs(graph, Tokens.load(bench.run.file("tokens")), report=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, found, allow_pickle=False)
        partial.replace(path)
    return path


def makes_copies(bench: Workbench) -> bool:
    """Whether changed copies are trained on where there is time: their only labels are the teacher's answers."""
    recipe = bench.request.recipe
    return recipe.augmented and recipe.distilled and _reads_teacher(bench)


def _reads_teacher(bench: Workbench) -> bool:
    return bench.losses is None or not needs_of(bench.losses) <= {"labels"}


def _copies(bench: Workbench, tokens: Tokens) -> int:
    """Changed copies of every row, as many as are wanted and as the teacher can answer in its share of the time."""
    rows = len(tokens)
    if not _reads_teacher(bench):
        bench.observer.note("no changed copies: their labels would be the teacher's answers, which no loss reads")
    if not makes_copies(bench):
        return 0

    def affordable() -> int:
        per_second, budget = _rows_per_second(bench), bench.request.time_budget_s
        return copies_of(rows, rows_per_second=per_second, time_budget_s=budget, length_ratio=length_ratio(bench))

    return bench.run.choose("label.copies", affordable)


def _changed(bench: Workbench, tokens: Tokens, copies: int) -> Tokens:
    vocabulary = vocabulary_of(bench)
    rows, seed = len(tokens), bench.request.seed
    longer = joined_of(copies, length_ratio(bench))
    more = augmented(tokens, vocabulary, rows=(copies - longer) * rows, seed=seed)
    bench.observer.note(f"{len(more)} changed copies of {rows} rows are trained on too")
    if longer:
        more = joined([more, joined_texts(tokens, vocabulary, rows=longer * rows, seed=seed)])
        bench.observer.note(f"and {longer * rows} rows of two joined, since what is evaluated is longer")
    return more


def vocabulary_of(bench: Workbench) -> Vocabulary:
    """What is known of the teacher's tokens."""
    embedding: NDArray[np.float32] = bench.canonical.encoder.embeddings.word.weight.detach().numpy()
    return Vocabulary(embedding, {bench.pad_id, *bench.tokenizer.special_ids}, bench.tokenizer.mask_id)


def length_ratio(bench: Workbench) -> float:
    """Mean tokens of what is evaluated over those of what is trained on; 1 for pairs, of which none can be joined."""
    if len(bench.data.spec.text_columns) > 1:
        return 1.0
    return float(bench.evaluation.tokens.lengths.mean() / bench.train.lengths.mean())

"""The stage that labels: the training text, and changed copies of it, with the teacher's answers to all of them."""

import numpy as np
from numpy.typing import NDArray

from compressor.distill.augmentation import Vocabulary, augmented, joined_texts
from compressor.distill.overdraft import overdraft_notes
from compressor.distill.recipe import LABELLING_SHARE, ROWS_SEEN, copies_of, joined_of, rows_of
from compressor.pipeline.answering import teacher_answers, tokens_per_second
from compressor.pipeline.workbench import Workbench
from compressor.records.stages import Labels
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
    rows, count = bench.train_rows, _rows(bench)
    if count < len(rows):
        sample = np.sort(np.random.default_rng(bench.request.seed).permutation(len(rows))[:count])
        tokens = bench.train.select(sample)
        return tokens, teacher_answers(bench, tokens)
    answers = teacher_answers(bench)
    per_token = bench.teacher.kind == "token-classification"
    return bench.train, answers[take(bench.corpus.offsets, rows)[0] if per_token else rows]


def _rows(bench: Workbench) -> int:
    """How many rows of the text are trained on."""
    rows, budget = len(bench.train), bench.request.time_budget_s
    if not bench.request.recipe.distilled:  # their labels are there
        return rows
    per_second = _rows_per_second(bench)
    count = bench.run.choose("label.rows", lambda: rows_of(rows, rows_per_second=per_second, time_budget_s=budget))
    if count < rows:
        why = "a training sees no more" if count == ROWS_SEEN else "as many as the teacher answers in the time for it"
        bench.observer.note(f"{count} of {rows} rows of the text are trained on, {why}")
        left = LABELLING_SHARE * budget
        for note in overdraft_notes(
            count / per_second, left, share=LABELLING_SHARE, time_budget_s=budget, what="labelling"
        ):
            bench.observer.note(note)
    return count


def teacher_speed(bench: Workbench) -> float:
    """Tokens per second that the teacher answers, measured once for all choices of the run."""
    return bench.run.choose("label.tokens_per_second", lambda: tokens_per_second(bench))


def _rows_per_second(bench: Workbench) -> float:
    return teacher_speed(bench) / float(bench.train.lengths.mean())


def _copies(bench: Workbench, tokens: Tokens) -> int:
    """Changed copies of every row, as many as are wanted and as the teacher can answer in its share of the time."""
    recipe, rows = bench.request.recipe, len(tokens)
    if not (recipe.augmented and recipe.distilled):
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

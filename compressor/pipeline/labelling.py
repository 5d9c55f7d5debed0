"""The stage that labels: the training text, and changed copies of it, with the teacher's answers to all of them."""

import numpy as np
from numpy.typing import NDArray

from compressor.distill.augmentation import Vocabulary, augmented, joined_texts
from compressor.distill.recipe import copies_of, joined_of
from compressor.pipeline.answering import copies_answers, teacher_answers, tokens_per_second
from compressor.pipeline.workbench import Workbench
from compressor.records.stages import Labels
from compressor.tasks import Tokens, joined
from compressor.tasks.ragged import take


def label(bench: Workbench) -> Labels:
    """Text and the teacher's logits, on disk."""
    answers, rows = teacher_answers(bench), bench.train_rows
    per_token = bench.teacher.kind == "token-classification"
    logits = answers[take(bench.corpus.offsets, rows)[0] if per_token else rows]
    tokens = bench.train
    if copies := _copies(bench):
        more = _changed(bench, copies)
        tokens, logits = joined([tokens, more]), np.concatenate([logits, copies_answers(bench, more, copies)])
    tokens.save(bench.run.file("tokens"))
    np.save(bench.run.file("logits.npy"), logits)
    return Labels(*logits.shape)


def _copies(bench: Workbench) -> int:
    """Changed copies of every row, as many as are wanted and as the teacher can answer in its share of the time."""
    recipe, rows = bench.request.recipe, len(bench.train)
    if not (recipe.augmented and recipe.distilled):
        return 0

    def affordable() -> int:
        per_second = tokens_per_second(bench) / float(bench.train.lengths.mean())
        budget = bench.request.time_budget_s
        return copies_of(rows, rows_per_second=per_second, time_budget_s=budget, length_ratio=length_ratio(bench))

    return bench.run.choose("label.copies", affordable)


def _changed(bench: Workbench, copies: int) -> Tokens:
    vocabulary = vocabulary_of(bench)
    rows, seed = len(bench.train), bench.request.seed
    longer = joined_of(copies, length_ratio(bench))
    more = augmented(bench.train, vocabulary, rows=(copies - longer) * rows, seed=seed)
    bench.observer.note(f"{len(more)} changed copies of {rows} rows are trained on too")
    if longer:
        more = joined([more, joined_texts(bench.train, vocabulary, rows=longer * rows, seed=seed)])
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

"""What engine and teacher answered on the evaluation split, for people; one file per kind of answer."""

from pathlib import Path

from compressor.export import EvaluationData
from compressor.records.task import TaskSpec
from compressor.report.page.answers.base import Answers, AnswerTable, Confusion, Texts
from compressor.report.page.answers.classes import class_answers
from compressor.report.page.answers.scores import score_answers
from compressor.report.page.answers.tags import tag_answers

__all__ = ["AnswerTable", "Answers", "Confusion", "read_answers"]


def read_answers(data: EvaluationData, task: TaskSpec, tokenizer: Path) -> Answers:
    """The answers in a bundle.

    Args:
        data: Of the bundle.
        task: Its kind, the names of its labels, and whether somebody gave labels at all.
        tokenizer: `tokenizer.json`, which turns tokens into text again.
    """
    texts = Texts(data.tokens, tokenizer)
    if task.kind == "regression":
        return score_answers(data, texts)
    if task.kind == "token-classification":
        return tag_answers(data, task, texts)
    return class_answers(data, task, texts)

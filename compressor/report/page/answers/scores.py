"""Answers that are numbers: how large the errors are, and the rows on which engine and teacher differ most."""

import numpy as np

from compressor.export import EvaluationData
from compressor.report.page.answers.base import EXAMPLES, Answers, AnswerTable, Texts

SHARES = (0.5, 0.9, 0.95, 1.0)
HEADER = ("difference of", "half of the rows, at most", "90 %", "95 %", "all rows")


def score_answers(data: EvaluationData, texts: Texts) -> Answers:
    """Of a regression."""
    scores, teacher, engine = data.targets.values, data.teacher[:, 0], data.engine[:, 0]
    apart = np.abs(engine - teacher)
    named = {
        "teacher and label": np.abs(teacher - scores),
        "engine and label": np.abs(engine - scores),
        "engine and teacher": apart,
    }
    rows = tuple((name, *(f"{value:.4g}" for value in np.quantile(found, SHARES))) for name, found in named.items())
    most = np.argsort(-apart, kind="stable")[:EXAMPLES].tolist()
    examples = tuple(
        (texts.row(row), *(f"{value:.4g}" for value in (scores[row], teacher[row], engine[row], apart[row])))
        for row in most
        if apart[row] > 0
    )
    return Answers(
        summary=(
            f"Engine and teacher differ by {np.median(apart):.4g} or less on half of {len(apart)} rows, and by at "
            f"most {apart.max():.4g}."
        ),
        tables=(AnswerTable("Differences", HEADER, rows),),
        confusion=None,
        examples=AnswerTable("Where they differ most", ("text", "label", "teacher", "engine", "difference"), examples)
        if examples
        else None,
    )

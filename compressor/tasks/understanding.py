"""What task a training file holds: which columns are texts and labels, and what is predicted.

    a column of word lists                       -> token-classification
    labels that are numbers, one not an integer  -> regression
    else                                         -> text-classification

Where the teacher's labels are known, one name means regression and more mean classes.
"""

from collections.abc import Sequence

from compressor.errors import InputError
from compressor.records.suggestion import did_you_mean
from compressor.records.task import TaskKind
from compressor.tasks.cells import is_float, is_number, no_labels
from compressor.tasks.formats import Table

# Pairs first: a question and a sentence (QNLI) are not a sentence alone.
_KNOWN_TEXTS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("sentence",),
    ("text",),
)
_KNOWN_WORDS = (("tokens",), ("words",))
_LABEL = "label"
_KNOWN_TAGS = ("ner_tags", "tags", "labels")


def find_text_columns(table: Table, kind: TaskKind | None) -> tuple[str, ...]:
    """The first known columns of texts that a file has.

    Args:
        table: The training file.
        kind: What is predicted, if that is known.

    Raises:
        InputError: It has none of them.
    """
    if not table.named:
        return table.columns[:1] if table.word_columns else table.columns
    known = _known_texts(table, kind)
    for columns in known:
        if set(columns) <= set(table.columns):
            return columns
    names = ", ".join("+".join(columns) for columns in known)
    single = [columns[0] for columns in known if len(columns) == 1]
    hint = next((found for name in table.columns if (found := did_you_mean(name, single))), "")
    raise InputError(
        f"{table.path}: expected text columns ({names}), found columns {', '.join(table.columns)}; "
        f"name yours with --text-column, or add a header line{hint}"
    )


def _known_texts(table: Table, kind: TaskKind | None) -> tuple[tuple[str, ...], ...]:
    # A list of words beside a text is often only another form of it; beside a list of tags it is what is tagged.
    tagged = not table.word_columns.isdisjoint((*_KNOWN_TAGS, _LABEL))
    if kind == "token-classification" or (kind is None and tagged):
        return (*_KNOWN_WORDS, *_KNOWN_TEXTS)
    return (*_KNOWN_TEXTS, *_KNOWN_WORDS) if kind is None else _KNOWN_TEXTS


def find_label_column(table: Table, texts: Sequence[str]) -> str:
    """The first known column of labels that a file has beside its columns of texts; `label` if it has none."""
    known = (*_KNOWN_TAGS, _LABEL) if set(texts) & table.word_columns else (_LABEL,)
    return next((name for name in known if name in table.columns), _LABEL)


def has_labels(table: Table, column: str, names: Sequence[str] | None = None) -> bool:
    """Whether a file has such a column, with at least one label in it.

    Args:
        table: The file.
        column: Of labels.
        names: Of the classes, if they are known.
    """
    return column in table.columns and not no_labels(table.column(column), names)


def find_kind(table: Table, texts: Sequence[str], labels: Sequence[str], names: Sequence[str] | None) -> TaskKind:
    """What is predicted.

    Args:
        table: The training file.
        texts: Its columns of texts.
        labels: Its label cells; empty where they are not to be used.
        names: Of the teacher's classes; they say whether it answers with a class or with a number.
    """
    if set(texts) & table.word_columns:
        return "token-classification"
    if names:
        return "regression" if len(names) == 1 else "text-classification"
    # Which rows lack a label is for the reader of the rows to say.
    given = [cell for cell in labels if cell.strip()]
    fractions = any(is_float(cell) and not float(cell).is_integer() for cell in given)
    return "regression" if fractions and all(map(is_number, given)) else "text-classification"

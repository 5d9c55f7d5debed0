"""What a page shows of answers, whatever the task: a sentence, tables, a confusion matrix, examples."""

from dataclasses import dataclass
from pathlib import Path

from compressor.tasks import Tokens

EXAMPLES = 12


@dataclass(frozen=True)
class AnswerTable:
    """A table of the page, all of it text."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Confusion:
    """How often one class is taken for another.

    Attributes:
        caption: What is counted.
        labels: Names of the classes.
        counts: [classes, classes]; what it should be first, the engine's answer second.
    """

    caption: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Answers:
    """What engine and teacher answered on the evaluation split.

    Attributes:
        summary: How much they differ, in a sentence.
        tables: By class, by type of entity, or by size of the error.
        confusion: None = there are no classes, or too many of them.
        examples: Where they differ most; None = nowhere.
    """

    summary: str
    tables: tuple[AnswerTable, ...]
    confusion: Confusion | None
    examples: AnswerTable | None


class Texts:
    """Token ids as text again.

    Args:
        tokens: Of the evaluation split.
        tokenizer: `tokenizer.json` of the bundle.
    """

    def __init__(self, tokens: Tokens, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        self._tokens = tokens
        self._decoder = Tokenizer.from_file(str(tokenizer))

    def row(self, index: int) -> str:
        """The text of a row, without special tokens."""
        offsets = self._tokens.offsets
        return self.piece(int(offsets[index]), int(offsets[index + 1]))

    def piece(self, start: int, end: int) -> str:
        """The text of flat positions from `start` up to `end`."""
        text: str = self._decoder.decode(self._tokens.ids[start:end].tolist())
        return text

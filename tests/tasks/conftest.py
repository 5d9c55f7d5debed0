"""Small data folders and a small tokenizer for the tests of `compressor.tasks`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e", "f"]

WriteFolder = Callable[..., Path]


@pytest.fixture
def write_folder(tmp_path: Path) -> WriteFolder:
    r"""Write files of lines: `write_folder(train=["sentence\tlabel", ...])` makes `train.tsv`.

    Names with a suffix are taken as they are: `write_folder(**{"train.csv": [...]})`.
    """

    def write(**files: list[str]) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for name, lines in files.items():
            path = folder / (name if "." in name else f"{name}.tsv")
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    return write


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    """A word-level tokenizer in BERT's layout that truncates and pads by itself, as saved ones often do."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path

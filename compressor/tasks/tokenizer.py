"""Texts to token ids with the teacher's own tokenizer, without torch or transformers."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from compressor.errors import InputError
from compressor.tasks.ragged import offsets_of
from compressor.tasks.tokens import Ints, Tokens

_ROWS_AT_ONCE = 4096  # an Encoding takes a few kB: bounds memory, and still keeps all threads busy

# What a folder of a model, and a bundle, keeps of the tokenizer.
TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER_FILES = ("tokenizer.json", TOKENIZER_CONFIG, "special_tokens_map.json", "vocab.txt")
MASKS = ("[MASK]", "<mask>")  # as BERT and RoBERTa write it

# What one row is to the tokenizer: a text, a pair, or words.
Input = str | tuple[str, ...] | list[str]
# Encodings that are short enough, and how long they were.
Batch = tuple[list[Encoding], list[int]]


class TextTokenizer:
    """The `tokenizer.json` of a folder, with its own truncation and padding switched off.

    Raises:
        InputError: The file is missing or not a tokenizer.

    Example:
        TextTokenizer(Path("teacher")).encode([("a fine film",), ("dull",)], max_length=512).lengths
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _load(Path(folder) / "tokenizer.json")
        saved = self._tokenizer.truncation or {}
        self._direction: str = saved.get("direction", "right").lower()
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids that are no text: marks of the begin, the end and the like."""
        added = self._tokenizer.get_added_tokens_decoder()
        marks = self._tokenizer.encode("").ids
        return frozenset({*marks, *(index for index, token in added.items() if token.special)})

    @property
    def mask_id(self) -> int | None:
        """Id of the token that stands for a hidden one; None = there is none."""
        found = (self._tokenizer.token_to_id(mask) for mask in MASKS)
        return next((index for index in found if index is not None), None)

    def encode(self, texts: Sequence[tuple[str, ...]], *, max_length: int) -> Tokens:
        """Encode texts and pairs with their special tokens.

        Args:
            texts: One tuple of 1 or 2 strings per row.
            max_length: The teacher's maximum in tokens. Longer rows are cut on the side that `tokenizer.json` names,
                the longer text of a pair first; special tokens stay.

        Returns:
            Tokens [rows]; its `truncated` is the number of rows that were cut.

        Raises:
            InputError: A row without one or two texts, or a maximum that leaves no room for a text.
        """
        for row, text in enumerate(texts):
            if len(text) not in (1, 2):
                raise InputError(f"row {row}: expected one text or a pair, found {len(text)} texts")
        self._check_length(max_length, pairs=any(len(text) == 2 for text in texts))
        inputs: list[Input] = [text if len(text) == 2 else text[0] for text in texts]
        return _tokens(self._batches(self._tokenizer, inputs, max_length, of_words=False))

    def feeds(self, text: tuple[str, ...], *, max_length: int) -> dict[str, Ints]:
        """Inputs of one row, as `encode` and `Tokens.padded` give them, without what those do for many.

        Args:
            text: One text or a pair.
            max_length: As in `encode`.

        Returns:
            `input_ids`, `attention_mask`, `token_type_ids`: int64 [1, length].

        Raises:
            InputError: As `encode`.
        """
        if len(text) not in (1, 2):
            raise InputError(f"expected one text or a pair, found {len(text)} texts")
        (encoding,) = self._tokenizer.encode_batch_fast([text if len(text) == 2 else text[0]])
        if len(encoding) > max_length:
            return self.encode([text], max_length=max_length).padded([0], 0)
        ids = np.array([encoding.ids], dtype=np.int64)
        types = np.array([encoding.type_ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}

    def encode_words(self, rows: Sequence[list[str]], *, max_length: int) -> tuple[Tokens, NDArray[np.int64]]:
        """Encode rows that are split into words, as for token classification.

        Args:
            rows: The words of each row.
            max_length: As in `encode`. Of a word that is cut in two, the pieces that are left stand for it.

        Returns:
            Tokens [rows]; and int64 [tokens], the position within its row of the word that a token is the first piece
            of, -1 for later pieces and special tokens. Words that were cut off, or have no piece, do not occur.

        Raises:
            InputError: A maximum that leaves no room for a word.
        """
        self._check_length(max_length, pairs=False)
        pieces = [np.zeros(0, dtype=np.int64)]

        def noting() -> Iterator[Batch]:
            for encodings, full_lengths in self._batches(self._word_tokenizer, rows, max_length, of_words=True):
                pieces.extend(_first_pieces(encoding) for encoding in encodings)
                yield encodings, full_lengths

        return _tokens(noting()), np.concatenate(pieces)

    @cached_property
    def _word_tokenizer(self) -> Tokenizer:
        """Byte-level tokenizers tell "word" from " word"; words of a sentence have a space before them."""
        state = json.loads(self._tokenizer.to_str())
        outer = state["pre_tokenizer"] or {}
        for part in (outer, *outer.get("pretokenizers", ())):
            if part.get("type") == "ByteLevel":
                part["add_prefix_space"] = True
        return Tokenizer.from_str(json.dumps(state))

    def _batches(
        self, tokenizer: Tokenizer, inputs: Sequence[Input], max_length: int, *, of_words: bool
    ) -> Iterator[Batch]:
        """Encodings of at most `max_length` tokens, and the lengths before they were cut."""
        # The fast one does not tell to which word a token belongs.
        encode = tokenizer.encode_batch if of_words else tokenizer.encode_batch_fast
        for start in range(0, len(inputs), _ROWS_AT_ONCE):
            rows = inputs[start : start + _ROWS_AT_ONCE]
            encodings = encode(rows, is_pretokenized=of_words)
            full_lengths = [len(encoding) for encoding in encodings]
            too_long = [row for row, length in enumerate(full_lengths) if length > max_length]
            tokenizer.enable_truncation(max_length, strategy="longest_first", direction=self._direction)
            try:
                shorter = encode([rows[row] for row in too_long], is_pretokenized=of_words)
            finally:
                tokenizer.no_truncation()
            for row, encoding in zip(too_long, shorter, strict=True):
                encodings[row] = encoding
            yield encodings, full_lengths

    def _check_length(self, max_length: int, *, pairs: bool) -> None:
        special = self._tokenizer.num_special_tokens_to_add(pairs)
        if max_length <= special:
            raise InputError(
                f"maximum length: expected more than the {special} special tokens, found {max_length}; raise it"
            )


def _tokens(batches: Iterator[Batch]) -> Tokens:
    ids, type_ids = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.uint8)]
    lengths: list[int] = []
    full_lengths: list[int] = []
    for encodings, full in batches:
        ids.append(np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), dtype=np.int32))
        type_ids.append(np.fromiter(chain.from_iterable(encoding.type_ids for encoding in encodings), np.uint8))
        lengths.extend(len(encoding) for encoding in encodings)
        full_lengths.extend(full)
    return Tokens(
        np.concatenate(ids), np.concatenate(type_ids), offsets_of(lengths), np.array(full_lengths, dtype=np.int64)
    )


def _first_pieces(encoding: Encoding) -> NDArray[np.int64]:
    words = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
    return np.where(words != np.concatenate([[-1], words[:-1]]), words, -1)


def _load(path: Path) -> Tokenizer:
    if not path.is_file():
        folder = path.parent
        raise InputError(
            f"expected a fast tokenizer at {path}, found none; make it with "
            f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r}) of transformers"
        )
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing more special than Exception
        raise InputError(f"{path} is not a tokenizer that this version can read ({error}); save it again") from error

"""Texts to token ids with the teacher's own tokenizer, without torch or transformers."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from compressor.errors import InputError
from compressor.tasks.tokens import Tokens

_ROWS_AT_ONCE = 4096  # an Encoding takes a few kB: bounds memory, and still keeps all threads busy


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
        self._check(texts, max_length)
        ids, type_ids = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.uint8)]
        lengths, full_lengths = [0], []
        for start in range(0, len(texts), _ROWS_AT_ONCE):
            encodings, full = self._encode(texts[start : start + _ROWS_AT_ONCE], max_length)
            ids.append(np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), dtype=np.int32))
            type_ids.append(np.fromiter(chain.from_iterable(encoding.type_ids for encoding in encodings), np.uint8))
            lengths.extend(len(encoding) for encoding in encodings)
            full_lengths.extend(full)
        offsets = np.cumsum(lengths, dtype=np.int64)
        return Tokens(np.concatenate(ids), np.concatenate(type_ids), offsets, np.array(full_lengths, dtype=np.int64))

    def _encode(self, texts: Sequence[tuple[str, ...]], max_length: int) -> tuple[list[Encoding], list[int]]:
        """Encodings of at most `max_length` tokens, and the lengths before they were cut."""
        inputs: list[str | tuple[str, ...]] = [text if len(text) == 2 else text[0] for text in texts]
        encodings = self._tokenizer.encode_batch_fast(inputs)
        full_lengths = [len(encoding) for encoding in encodings]
        too_long = [row for row, length in enumerate(full_lengths) if length > max_length]
        for row, shorter in zip(too_long, self._truncate([inputs[row] for row in too_long], max_length), strict=True):
            encodings[row] = shorter
        return encodings, full_lengths

    def _truncate(self, inputs: list[str | tuple[str, ...]], max_length: int) -> list[Encoding]:
        self._tokenizer.enable_truncation(max_length, strategy="longest_first", direction=self._direction)
        try:
            return self._tokenizer.encode_batch_fast(inputs)
        finally:
            self._tokenizer.no_truncation()

    def _check(self, texts: Sequence[tuple[str, ...]], max_length: int) -> None:
        for row, text in enumerate(texts):
            if len(text) not in (1, 2):
                raise InputError(f"row {row}: expected one text or a pair, found {len(text)} texts")
        special = self._tokenizer.num_special_tokens_to_add(any(len(text) == 2 for text in texts))
        if max_length <= special:
            raise InputError(
                f"maximum length: expected more than the {special} special tokens, found {max_length}; raise it"
            )


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

"""Run a bundle on text: the tokenizer and the engine that it ships, nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.runtimes import open_device
from compressor.tasks.tokenizer import TextTokenizer
from compressor.verify.bundle import read_manifest

Text = str | tuple[str, str]


@dataclass(frozen=True)
class Prediction:
    """Answer to one text: the most probable label, its probability, and the probabilities of all labels."""

    label: str
    score: float
    scores: dict[str, float]


class Predictor:
    """A bundle, loaded.

    Example:
        >>> predictor = compressor.load("bundle")
        >>> predictor(["a fine film"])[0].label
        'positive'

    Args:
        bundle: Its folder; the hashes of its files are checked.

    Raises:
        InputError: It is not a bundle, or not the one that was verified.
        UnavailableError: Its runtime is not here.
    """

    def __init__(self, bundle: Path) -> None:
        self.manifest = read_manifest(bundle)
        device = open_device(self.manifest.runtime.split(" ")[0])
        self._engine = device.compile(bundle / self.manifest.engine, self.manifest.options)
        self._tokenizer = TextTokenizer(bundle)

    def __call__(self, texts: Iterable[Text]) -> list[Prediction]:
        """Answer texts, or pairs of texts, one at a time, as the accuracy was measured."""
        rows = [(text,) if isinstance(text, str) else text for text in texts]
        wanted = len(self.manifest.task.text_columns)
        if any(len(row) != wanted for row in rows):
            raise InputError(f"this bundle answers {'pairs of texts' if wanted == 2 else 'single texts'}, got others")
        tokens = self._tokenizer.encode(rows, max_length=self.manifest.max_length)
        return [self._answer(tokens.padded([row], self.manifest.pad_id)) for row in range(len(tokens))]

    def _answer(self, feeds: dict[str, NDArray[np.int64]]) -> Prediction:
        logits = self._engine.run({name: feeds[name] for name in self._engine.inputs})[0].astype(np.float64)
        odds = np.exp(logits - logits.max())
        scores = dict(zip(self.manifest.task.label_names, (odds / odds.sum()).tolist(), strict=True))
        label = max(scores, key=lambda name: scores[name])
        return Prediction(label, scores[label], scores)

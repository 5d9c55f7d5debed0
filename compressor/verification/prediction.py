"""Run a bundle on text: the tokenizer and the engine that it ships, nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.runtimes import Feeds
from compressor.tasks.entities import spans
from compressor.tasks.tags import OUTSIDE
from compressor.tasks.tokenizer import TextTokenizer
from compressor.verification.answers import Answer, EntitiesPrediction, Entity, Prediction, ScorePrediction
from compressor.verification.bundle import open_bundle_device, read_manifest

Text = str | tuple[str, str]
Floats = NDArray[np.float64]


class Predictor:
    """A bundle, loaded.

    Example:
        >>> predictor = compressor.load("bundle")
        >>> predictor(["a fine film"])[0].label
        '...'

    Args:
        bundle: Its folder; the hashes of its files are checked.

    Raises:
        InputError: It is not a bundle, or not the one that was verified.
        UnavailableError: Its runtime is not here.
    """

    def __init__(self, bundle: Path) -> None:
        self.manifest = read_manifest(bundle)
        device = open_bundle_device(self.manifest)
        self._engine = device.compile(bundle / self.manifest.engine, self.manifest.options)
        self._tokenizer = TextTokenizer(bundle)

    def __call__(self, texts: Iterable[Text]) -> list[Answer]:
        """Answer texts, or pairs of texts, one at a time, as the accuracy was measured.

        Raises:
            InputError: A text in the place of a list of texts; or pairs where the bundle answers single texts, or the
                other way round.
        """
        if isinstance(texts, str):
            raise InputError(f"expected a list of texts, got the text {texts[:40]!r}; put it into a list: [text]")
        rows = [(text,) if isinstance(text, str) else text for text in texts]
        wanted = len(self.manifest.task.text_columns)
        if any(len(row) != wanted for row in rows):
            raise InputError(f"this bundle answers {'pairs of texts' if wanted == 2 else 'single texts'}, got others")
        if self.manifest.task.kind == "token-classification":
            return [self._entities(row[0]) for row in rows]
        answer = self._score if self.manifest.task.kind == "regression" else self._classes
        longest = self.manifest.max_length
        return [answer(self._outputs(self._tokenizer.feeds(row, max_length=longest))) for row in rows]

    def _outputs(self, feeds: Feeds) -> Floats:
        """Outputs of one row: [classes], or [length, classes] of a model that answers per token."""
        outputs: Floats = self._engine.run({name: feeds[name] for name in self._engine.inputs})[0].astype(np.float64)
        return outputs

    def _classes(self, logits: Floats) -> Prediction:
        scores = dict(zip(self.manifest.task.label_names, _softmax(logits).tolist(), strict=True))
        label = max(scores, key=lambda name: scores[name])
        return Prediction(label, scores[label], scores)

    def _score(self, outputs: Floats) -> ScorePrediction:
        return ScorePrediction(float(outputs[0]))

    def _entities(self, text: str) -> EntitiesPrediction:
        """Words are what stands between white space; the first piece of each decides, as in training."""
        words = list(re.finditer(r"\S+", text))
        tokens, pieces = self._tokenizer.encode_words(
            [[word.group() for word in words]], max_length=self.manifest.max_length
        )
        odds = _softmax(self._outputs(tokens.padded([0], self.manifest.pad_id)))
        # A word without a piece, or that the longest input has no room for, is outside of every entity.
        tags, scores = [OUTSIDE] * len(words), np.zeros(len(words))
        for piece in np.flatnonzero(pieces >= 0):
            best = int(odds[piece].argmax())
            tags[pieces[piece]], scores[pieces[piece]] = self.manifest.task.label_names[best], odds[piece, best]
        entities = (
            Entity(label, float(scores[start:end].mean()), words[start].start(), words[end - 1].end())
            for label, start, end in spans(tags)
        )
        return EntitiesPrediction(tuple(entities))


def _softmax(logits: Floats) -> Floats:
    """Probabilities of logits [..., classes]."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = odds / odds.sum(axis=-1, keepdims=True)
    return probabilities

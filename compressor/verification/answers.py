"""What a bundle answers to one text, by the kind of its task."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """Text classification: the most probable label, its probability, and the probabilities of all labels."""

    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class ScorePrediction:
    """Regression: the score, in the unit of the training labels."""

    score: float


@dataclass(frozen=True)
class Entity:
    """An entity in a text.

    Attributes:
        label: Its type.
        score: Mean probability of the tags of its words.
        start: Offset of its first character.
        end: Offset after its last character.
    """

    label: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class EntitiesPrediction:
    """Token classification: the entities of a text, in its order."""

    entities: tuple[Entity, ...]


Answer = Prediction | ScorePrediction | EntitiesPrediction

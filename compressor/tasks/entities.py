"""Entities of BIO tags: where they lie, and how many a model finds.

    in B-location I-location O I-person  ->  (location, 1, 3), (person, 4, 5)

An entity begins at B-, and at an I- that does not go on with an entity of its type, as in the scorer of CoNLL-2000
(conlleval, Tjong Kim Sang and Buchholz, 2000). A found entity is right if type, begin and end are.

    f1   2 right / (found + actual), over all entities of all rows; 0 where there are none
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BorderError
from compressor.tasks.classes import predicted_classes, ratio
from compressor.tasks.targets import Targets


class Span(NamedTuple):
    """An entity: its type, the position of its first word, and the position after its last."""

    label: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """Entities of one row, in its order.

    Args:
        tags: BIO tags of its words [words].
    """
    found: list[Span] = []
    for position, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "I" and found and found[-1].end == position and found[-1].label == label:
            found[-1] = found[-1]._replace(end=position + 1)
        elif label:
            found.append(Span(label, position, position + 1))
    return found


def entity_counts(outputs: NDArray[np.floating[Any]], targets: Targets) -> NDArray[np.float64]:
    """Terms of the entity F1 of each row [rows, 3]: entities right, found and actual.

    Args:
        outputs: Logits [tokens, classes].
        targets: Of the same tokens, with their tags.

    Raises:
        BorderError: They do not fit, or the targets have no tags.
    """
    if targets.offsets is None or len(targets.tags) != outputs.shape[-1]:
        raise BorderError(f"expected targets per token with {outputs.shape[-1]} tags, found {targets.tags}")
    predicted, counted = predicted_classes(outputs, targets), targets.counted
    counts = np.zeros((len(targets), 3))
    for row, (start, end) in enumerate(zip(targets.offsets[:-1], targets.offsets[1:], strict=True)):
        words = np.flatnonzero(counted[start:end]) + start
        found, actual = (set(spans([targets.tags[k] for k in ids[words]])) for ids in (predicted, targets.values))
        counts[row] = len(found & actual), len(found), len(actual)
    return counts


def entity_f1_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entity F1 in [0, 1]: sums [..., 3] -> [...]."""
    return ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2])

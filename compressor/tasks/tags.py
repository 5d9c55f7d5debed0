"""Tag cells of a file to class ids, one per word.

    ["O B-location", "O"], tags ("O", "B-location", "I-location") -> [0, 1, 0], offsets [0, 2, 3]

Words and tags of a row are each one text, joined by single spaces.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.records.task import check_bio
from compressor.tasks.data import words_of
from compressor.tasks.labels import class_ids
from compressor.tasks.ragged import offsets_of

OUTSIDE = "O"


def find_tags(cells: Sequence[str], places: Sequence[str]) -> tuple[str, ...]:
    """`O`, and `B-` and `I-` of every type that occurs, sorted by type.

    Both for every type: a type whose training entities are single words may have longer ones elsewhere.

    Args:
        cells: Tags of each row, joined by single spaces.
        places: Where each row stands, for messages.

    Raises:
        InputError: A tag that is not in the BIO scheme.
    """
    types: set[str] = set()
    for cell, place in zip(cells, places, strict=True):
        tags = tuple(words_of(cell))
        check_bio(tags, where=place)
        types.update(tag[2:] for tag in tags if tag != OUTSIDE)
    return (OUTSIDE, *(f"{prefix}-{name}" for name in sorted(types) for prefix in "BI"))


def tag_ids(
    texts: Sequence[str], cells: Sequence[str], names: Sequence[str], places: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(class ids [words], offsets [rows + 1]) of the tags of each row.

    Args:
        texts: Words of each row, joined by single spaces.
        cells: Its tags, likewise.
        names: Name of each class.
        places: Where each row stands, for messages.

    Raises:
        InputError: Another number of tags than of words, or an unknown tag.
    """
    flat: list[str] = []
    flat_places: list[str] = []
    lengths = []
    for text, cell, place in zip(texts, cells, places, strict=True):
        words, tags = words_of(text), words_of(cell)
        if len(words) != len(tags):
            raise InputError(
                f"{place}: expected one tag per word, found {len(words)} words and {len(tags)} tags; correct the row, "
                "and write words without spaces"
            )
        lengths.append(len(words))
        flat.extend(tags)
        flat_places.extend(f"{place}, word {position}" for position in range(1, len(words) + 1))
    return class_ids(flat, names, flat_places), offsets_of(lengths)

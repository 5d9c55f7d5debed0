"""Everything around cells, and random stacks of them."""

import numpy as np
import pytest
from tiny_models import tiny

from compressor.encoder import Encoder
from compressor.records.architecture import Architecture, check_architecture
from compressor.space.cells import EDGES, cell_space, random_cells


@pytest.mark.parametrize(
    ("teacher", "width", "embedding"),
    [
        (tiny((2, 32), hidden=24), 16, 24),
        (tiny((2, 32), hidden=16), 16, None),
        (tiny((2, 32), hidden=24, embedding=16), 16, None),
        (tiny((2, 32), hidden=16, embedding=8), 16, 8),
    ],
    ids=["wider", "as wide", "tables as wide", "narrower tables"],
)
def test_tables_are_projected_where_they_are_of_another_width(
    teacher: Architecture, width: int, embedding: int | None
) -> None:
    space = cell_space(teacher, width)
    assert (space.hidden, space.embedding) == (width, embedding)
    own, theirs = (Encoder(shape).embeddings for shape in (check_architecture(space), teacher))
    assert (own.projection is None) == (embedding is None)
    assert own.word.weight.shape == theirs.word.weight.shape


def test_a_random_node_has_at_most_as_many_edges_as_a_searched_one() -> None:
    random = np.random.default_rng(0)
    drawn = [node for _ in range(200) for node in random_cells(random, stacked=1, per_token=False).nodes]
    assert {len(node) for node in drawn} == set(range(1, EDGES + 1))

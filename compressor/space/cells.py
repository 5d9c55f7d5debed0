"""Random stacks of cells: for the calibration of a table, and as what a searched stack is held against."""

import numpy as np

from compressor.encoder import AGGREGATIONS, BLOCKS, NONE
from compressor.records.architecture import Architecture
from compressor.records.cells import Cells, Edge, read_nodes

NODES, EDGES = 3, 2  # of a cell, and at most of a node
CANDIDATES = tuple(name for name in BLOCKS if name != NONE)


def cell_space(teacher: Architecture, width: int) -> Architecture:
    """Everything around the cells: the teacher's tables, projected to the width of the cells, and a head.

    Tables of that width are not projected. It has neither layers nor cells, and names the space in the table.
    """
    tables = teacher.embedding or teacher.hidden
    return Architecture(
        layers=(),
        hidden=width,
        head_size=width,
        vocabulary=teacher.vocabulary,
        positions=teacher.positions,
        token_types=teacher.token_types,
        classes=teacher.classes,
        norm_epsilon=teacher.norm_epsilon,
        embedding=None if tables == width else tables,
        per_token=teacher.per_token,
        word_rank=teacher.word_rank,
    )


def random_cells(random: np.random.Generator, *, stacked: int, per_token: bool, nodes: int = NODES) -> Cells:
    """A stack whose blocks, sources and aggregation are drawn evenly; nodes that nothing reads are left out."""
    drawn = []
    for number in range(1, nodes + 1):
        count = int(random.integers(1, EDGES + 1))
        pairs = {(int(random.integers(number)), str(random.choice(CANDIDATES))) for _ in range(count)}
        drawn.append(tuple(Edge(source, block) for source, block in sorted(pairs)))
    aggregation = None if per_token else str(random.choice(list(AGGREGATIONS)))
    return Cells(read_nodes(tuple(drawn)), stacked, aggregation)

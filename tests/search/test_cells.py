"""Cells from mixed edges: the limit is kept, the best is found, and a supernet of one choice is that student."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from tables import table_of
from tiny_models import masked_batch, tiny

from compressor.encoder import AGGREGATIONS, IDENTITY, INPUTS, NONE, Encoder
from compressor.errors import InfeasibleError
from compressor.latency import candidate_ops, operations
from compressor.records.architecture import Precision
from compressor.records.cells import Cells, Edge
from compressor.records.latency import Measured
from compressor.records.score import ScoredSpace
from compressor.search import SearchProblem
from compressor.search.bilevel import Choice, Halves, bilevel
from compressor.search.caching import search_cached
from compressor.search.discretising import MixedCellSearch
from compressor.search.supernet import NAMES, Supernet, edges_of
from compressor.space.cells import cell_space

SPACE = cell_space(tiny((2, 32), hidden=24), 16)


def problem(limit_us: float, seed: int = 0) -> SearchProblem:
    random = np.random.default_rng(seed)
    ops = candidate_ops(SPACE, Precision.INT8)
    costs = {op: Measured(float(random.uniform(1, 10)), 0.0, 1) for op in ops}
    return SearchProblem(SPACE, ScoredSpace(()), table_of(SPACE, costs), limit_us)


def mixed(seed: int = 0, nodes: int = 2) -> MixedCellSearch:
    random = np.random.default_rng(seed)
    edges = random.dirichlet(np.ones(len(NAMES)), len(edges_of(nodes)))
    return MixedCellSearch(edges, random.dirichlet(np.ones(len(AGGREGATIONS))), nodes)


def cost_us(task: SearchProblem, cells: Cells) -> float:
    return sum(task.cost_us(op) for op in operations(replace(SPACE, cells=cells), Precision.INT8))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit_us", [20.0, 30.0, 45.0, 90.0, 1000.0])
def test_the_limit_is_kept(seed: int, limit_us: float) -> None:
    task = problem(limit_us, seed)
    try:
        found = mixed(seed)(task)
    except InfeasibleError as error:
        assert error.nearest_ms * 1e3 > limit_us
        return
    assert found.cells is not None
    assert found.cost_us <= limit_us
    # Nodes without a reader were counted, and are not there.
    assert cost_us(task, found.cells) <= found.cost_us + 1e-9


def test_without_a_limit_it_is_the_strongest_edges_six_times() -> None:
    edges = np.full((3, len(NAMES)), 0.01)
    for number, name in enumerate(("conv-3", IDENTITY, "lstm")):  # edges 0-1, 0-2, 1-2
        edges[number, NAMES.index(name)] = 0.8
    edges[:, NAMES.index(NONE)] = 0.9  # is no candidate however strong it is
    aggregations = np.array([0.1, 0.1, 0.5, 0.2, 0.1])
    found = MixedCellSearch(edges, aggregations, 2)(problem(1e9))
    nodes = ((Edge(0, "conv-3"),), (Edge(0, IDENTITY), Edge(1, "lstm")))
    assert found.cells == Cells(nodes, 6, "dynamic-routing")


@pytest.mark.parametrize("seed", range(6))
def test_below_it_nothing_within_the_limit_is_worth_more(seed: int) -> None:
    search, names = mixed(seed), [name for name in NAMES if name != NONE]
    task = problem(0.0, seed)
    aggregation = list(AGGREGATIONS)[int(search.aggregations.argmax())]

    def worth(nodes: tuple[tuple[Edge, ...], ...]) -> float:
        places = {edge: number for number, edge in enumerate(edges_of(2))}
        return sum(
            search.edges[places[edge.source, number], NAMES.index(edge.block)]
            for number, node in enumerate(nodes, 1)
            for edge in node
        )

    def options(node: int) -> list[tuple[Edge, ...]]:
        edges = [Edge(source, name) for source in range(node) for name in names]
        pairs = [pair for pair in combinations(edges, 2) if pair[0].source != pair[1].source]
        return [(edge,) for edge in edges] + pairs

    every = [(nodes, cost_us(task, Cells(nodes, 3, aggregation))) for nodes in product(options(1), options(2))]
    alone = [node for node in options(2) if len(node) == 1 and node[0].source == 0]
    every += [(((), node), cost_us(task, Cells((node,), 3, aggregation))) for node in alone]
    limit_us = float(np.quantile([cost for _, cost in every], 0.2))
    best = max(worth(nodes) for nodes, cost in every if cost <= limit_us)
    found = search(replace(task, limit_us=limit_us))
    assert found.cells is not None
    assert (found.cells.stacked, found.cells.aggregation) == (3, aggregation)
    assert -found.damage == pytest.approx(best)


def test_a_limit_that_nothing_keeps_ends_with_the_nearest_that_is_kept() -> None:
    search, task = mixed(), problem(1.0)
    with pytest.raises(InfeasibleError, match=r"no stack of cells runs within 0.001 ms here") as caught:
        search(task)
    nearest = search(replace(task, limit_us=1e3 * caught.value.nearest_ms + 1e-9))
    assert nearest.cost_us == pytest.approx(1e3 * caught.value.nearest_ms)
    assert search_cached(replace(task, limit_us=1e3 * caught.value.nearest_ms + 1e-9), search) == nearest


def test_a_supernet_with_one_choice_is_that_student() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SPACE, nodes=2, stacked=2).eval()
    chosen = ("conv-3", IDENTITY, "attention-4")
    with torch.no_grad():
        supernet.alpha.fill_(-1e9)
        for number, name in enumerate(chosen):
            supernet.alpha[number, NAMES.index(name)] = 0
        supernet.beta.copy_(torch.tensor([0.0, -1e9, -1e9, -1e9, -1e9]))
    nodes = ((Edge(0, "conv-3"),), (Edge(0, IDENTITY), Edge(1, "attention-4")))
    student = Encoder(replace(SPACE, cells=Cells(nodes, 2, "max-pooling"))).eval()
    student.embeddings.load_state_dict(supernet.embeddings.state_dict())
    student.head.load_state_dict(supernet.head.state_dict())
    for cell, source in zip(student.cells.cells, supernet.cells, strict=True):  # type: ignore[union-attr]
        cell.joins.load_state_dict(source.joins.state_dict())
        cell.blocks[0][0].load_state_dict(source.edges[0].blocks[NAMES.index("conv-3")].state_dict())
        cell.blocks[1][1].load_state_dict(source.edges[2].blocks[NAMES.index("attention-4")].state_dict())
    batch = masked_batch(SPACE)
    ids, mask, types = (torch.from_numpy(batch[name]) for name in student.inputs)
    torch.testing.assert_close(supernet(ids, mask, types), student(ids, mask, types), rtol=0, atol=1e-5)


Expected = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class LongRange:
    """Is the last token what the first one is? Attention and recurrence can tell, windows of few tokens cannot."""

    def __init__(self, rows: int = 64) -> None:
        random = np.random.default_rng(0)
        self.ids = torch.from_numpy(random.integers(5, 9, (rows, 10)))
        self.answers = (self.ids[:, 0] == self.ids[:, -1]).long()

    def __call__(self, model: torch.nn.Module, rows: np.ndarray) -> torch.Tensor:
        ids = self.ids[rows]
        logits = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
        return torch.nn.functional.cross_entropy(logits, self.answers[rows], reduction="sum")


def no_price(edges: torch.Tensor, aggregations: torch.Tensor) -> torch.Tensor:
    return (edges.sum() + aggregations.sum()) * 0


def only_conv_is_cheap(edges: torch.Tensor, aggregations: torch.Tensor) -> torch.Tensor:
    costs = torch.tensor([0.0 if name in {"conv-3", NONE} else 100.0 for name in NAMES])
    return (edges @ costs).sum() + 0 * aggregations.sum()


def searched(expected: Expected, steps: int, checkpoint: Path | None = None, *, seed: int = 0) -> Choice:
    torch.manual_seed(seed)
    supernet, task = Supernet(SPACE, nodes=1, stacked=1), LongRange()
    halves = Halves.drawn(np.full(64, 10, dtype=np.int64), batch=8, seed=0)
    return bilevel(
        supernet, supernet, lambda at: task, halves, expected, steps=steps, seed=seed, checkpoint=checkpoint
    )


def test_a_price_on_time_moves_the_edges_to_cheap_blocks() -> None:
    chosen = searched(only_conv_is_cheap, 40).edges[0]
    cheap = chosen[NAMES.index("conv-3")] + chosen[NAMES.index(NONE)]
    free = searched(no_price, 40).edges[0]
    assert cheap > free[NAMES.index("conv-3")] + free[NAMES.index(NONE)] + 0.1


def test_an_interrupted_search_ends_as_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.search.bilevel.CHECKPOINT_STEPS", 6)
    whole = searched(no_price, 20)

    class Killed(Exception):  # noqa: N818
        pass

    calls = []

    def killed(edges: torch.Tensor, aggregations: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 11:
            raise Killed
        return no_price(edges, aggregations)

    checkpoint = tmp_path / "search.safetensors"
    with pytest.raises(Killed):
        searched(killed, 20, checkpoint)
    resumed = searched(no_price, 20, checkpoint, seed=0)
    assert torch.equal(resumed.edges, whole.edges)
    assert torch.equal(resumed.aggregations, whole.aggregations)


def test_a_search_that_falls_for_identity_is_stopped() -> None:
    def only_identity_is_cheap(edges: torch.Tensor, aggregations: torch.Tensor) -> torch.Tensor:
        costs = torch.tensor([0.0 if name == IDENTITY else 100.0 for name in NAMES])
        return (edges @ costs).sum() + 0 * aggregations.sum()

    chosen = searched(only_identity_is_cheap, 60)
    assert chosen.steps < 60
    known = [place for place, name in enumerate(NAMES) if name != NONE]
    assert NAMES[known[int(chosen.edges[0][known].argmax())]] != IDENTITY


def test_identity_edges_are_dropped_while_it_is_trained_only() -> None:
    torch.manual_seed(0)
    supernet, task = Supernet(SPACE, nodes=1, stacked=1), LongRange()
    with torch.no_grad():
        supernet.alpha.fill_(-1e9)
        supernet.alpha[0, NAMES.index(IDENTITY)] = 0
    rows = np.arange(64)
    losses = {float(task(supernet.train(), rows).detach()) for _ in range(4)}
    assert len(losses) == 4
    assert len({float(task(supernet.eval(), rows).detach()) for _ in range(4)}) == 1


def test_no_row_is_on_both_levels() -> None:
    lengths = np.random.default_rng(0).integers(1, 9, 41)
    halves = Halves.drawn(lengths, batch=4, seed=0)
    seen = [{int(row) for step in range(40) for row in half.rows(step)} for half in (halves.weights, halves.choices)]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(41))


def test_a_trace_of_a_supernet_has_its_answers() -> None:
    torch.manual_seed(0)
    supernet, batch = Supernet(SPACE, nodes=2, stacked=2).eval(), masked_batch(SPACE)
    ids, mask, types = (torch.from_numpy(batch[name]) for name in INPUTS)
    trace = supernet.trace(ids, mask, types, scores=True)
    torch.testing.assert_close(trace.logits, supernet(ids, mask, types))
    assert [len(part) for part in (trace.hidden, trace.pooled, trace.scores)] == [3, 3, 2]

"""Cells from mixed edges: the limits are kept, the best is found, and a supernet of one choice is that student."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tables import table_of
from tiny_models import masked_batch, tiny

from compressor.encoder import AGGREGATIONS, IDENTITY, INPUTS, NONE, Encoder
from compressor.errors import CompressorError, InfeasibleError, TooLargeError
from compressor.latency import candidate_ops, estimate, operations
from compressor.pipeline.cells import CellSearch, fitting_steps, renamed
from compressor.records.architecture import Precision
from compressor.records.cells import Cells, Edge, Node, read_nodes
from compressor.records.latency import Calibration, Measured
from compressor.records.score import ScoredSpace
from compressor.search import SearchProblem
from compressor.search.bilevel import MOST_LEFT_OUT, Choice, Halves, bilevel
from compressor.search.caching import search_cached
from compressor.search.cell_prices import expected_share
from compressor.search.confirm import solve
from compressor.search.discretising import HEIGHTS, MixedCellSearch, cheapest_stack
from compressor.search.supernet import NAMES, Supernet, edges_of
from compressor.space.cells import cell_space

SPACE = cell_space(tiny((2, 32), hidden=24), 16)
Nodes = tuple[Node, ...]


def problem(limit_us: float, seed: int = 0) -> SearchProblem:
    """Every block with costs and weights of its own."""
    random = np.random.default_rng(seed)
    ops = candidate_ops(SPACE, Precision.INT8)
    costs = {op: Measured(float(random.uniform(1, 10)), 0.0, 1) for op in ops}
    table = table_of(SPACE, costs)
    entries = tuple(replace(entry, weight_bytes=int(random.integers(1, 1000))) for entry in table.entries)
    return SearchProblem(SPACE, ScoredSpace(()), replace(table, entries=entries), limit_us)


def mixed(seed: int = 0, nodes: int = 2) -> MixedCellSearch:
    random = np.random.default_rng(seed)
    edges = random.dirichlet(np.ones(len(NAMES)), len(edges_of(nodes)))
    return MixedCellSearch(edges, random.dirichlet(np.ones(len(AGGREGATIONS))), nodes)


def cost_us(task: SearchProblem, cells: Cells) -> float:
    return sum(task.cost_us(op) for op in operations(replace(SPACE, cells=cells), Precision.INT8))


def blocks(cells: Cells | None) -> set[str]:
    assert cells is not None
    return {edge.block for node in cells.nodes for edge in node}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("limit_us", [20.0, 30.0, 45.0, 90.0, 1000.0])
def test_the_limit_is_kept(seed: int, nodes: int, limit_us: float) -> None:
    task = problem(limit_us, seed)
    try:
        found = mixed(seed, nodes)(task)
    except InfeasibleError as error:
        assert error.nearest_ms * 1e3 > limit_us
        return
    assert found.cells is not None
    assert found.cost_us <= limit_us
    # What nobody reads would be gone, and its cost would not.
    assert cost_us(task, found.cells) == pytest.approx(found.cost_us)


def test_without_a_limit_it_is_the_strongest_edges_six_times() -> None:
    edges = np.full((3, len(NAMES)), 0.01)
    for number, name in enumerate(("conv-3", IDENTITY, "lstm")):  # edges 0-1, 0-2, 1-2
        edges[number, NAMES.index(name)] = 0.8
    edges[:, NAMES.index(NONE)] = 0.9  # is no candidate however strong it is
    aggregations = np.array([0.1, 0.1, 0.5, 0.2, 0.1])
    search = MixedCellSearch(edges, aggregations, 2)
    nodes = ((Edge(0, "conv-3"),), (Edge(0, IDENTITY), Edge(1, "lstm")))
    assert search(problem(1e9)).cells == Cells(nodes, 6, "dynamic-routing")
    assert search.strongest() == nodes
    # Where losses match no deeper student:
    assert replace(search, heights=(2, 1))(problem(1e9)).cells == Cells(nodes, 2, "dynamic-routing")


def options(node: int) -> list[Node]:
    """Of a node of two: an edge, or two from different states."""
    names = [name for name in NAMES if name != NONE]
    edges = [Edge(source, name) for source in range(node) for name in names]
    pairs = [pair for pair in combinations(edges, 2) if pair[0].source != pair[1].source]
    return [(edge,) for edge in edges] + pairs


def every_cell() -> list[Nodes]:
    """Of at most two nodes, of which the first is read by the second, with a block that mixes tokens."""
    pairs = [pair for pair in product(options(1), options(2)) if any(edge.source == 1 for edge in pair[1])]
    alone = [((), node) for node in options(2) if all(edge.source == 0 for edge in node)]
    return [nodes for nodes in [*pairs, *alone] if any(edge.block != IDENTITY for node in nodes for edge in node)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize("room", [0.1, None])
def test_nothing_within_the_limits_is_worth_more(seed: int, share: float, room: float | None) -> None:
    search, task = mixed(seed), problem(0.0, seed)
    places = {edge: number for number, edge in enumerate(edges_of(2))}

    def worth(nodes: Nodes) -> float:
        return sum(
            search.edges[places[edge.source, number], NAMES.index(edge.block)]
            for number, node in enumerate(nodes, 1)
            for edge in node
        )

    def sizes(nodes: Nodes, stacked: int, name: str) -> np.ndarray:
        cells = Cells(read_nodes(nodes), stacked, name)
        return np.array([cost_us(task, cells), task.layer_bytes(replace(SPACE, cells=cells))])

    cells = every_cell()
    of_cell = np.array([sizes(nodes, 2, "max-pooling") - sizes(nodes, 1, "max-pooling") for nodes in cells])
    around = np.array([sizes(cells[0], 1, name) - of_cell[0] for name in AGGREGATIONS])
    heights = np.array(HEIGHTS)
    # [heights, aggregations, cells, (microseconds, bytes)] and [heights, aggregations, cells]
    needed = around[None, :, None] + heights[:, None, None, None] * of_cell[None, None]
    values = search.aggregations[None, :, None] + heights[:, None, None] * np.array(list(map(worth, cells)))
    limit_us = float(np.quantile(needed[..., 0], share)) * (1 + 1e-9)
    most_bytes = math.inf if room is None else float(np.quantile(needed[..., 1], room)) * (1 + 1e-9)
    found = search(replace(task, limit_us=limit_us, most_bytes=most_bytes))
    assert found.cells is not None
    assert task.layer_bytes(task.shape_of(found)) <= most_bytes
    assert cost_us(task, found.cells) == pytest.approx(found.cost_us)
    assert found.cost_us <= limit_us
    fitting = (needed[..., 0] <= limit_us) & (needed[..., 1] <= most_bytes)
    assert fitting.any()
    assert -found.damage == pytest.approx(values[fitting].max())


def test_tokens_are_mixed_wherever_that_fits() -> None:
    edges = np.full((3, len(NAMES)), 0.01)
    edges[:, NAMES.index(IDENTITY)] = 0.9
    search, task = MixedCellSearch(edges, np.full(5, 0.2), 2), problem(1e9, seed=3)
    single = [
        cost_us(task, Cells(((Edge(0, block),),), 1, aggregation))
        for block, aggregation in product(NAMES, AGGREGATIONS)
        if block not in (IDENTITY, NONE)
    ]
    assert blocks(search(replace(task, limit_us=min(single) + 1e-9)).cells) - {IDENTITY}
    below = search(replace(task, limit_us=min(single) - 1e-6))
    assert blocks(below.cells) == {IDENTITY}
    assert below.damage == 0 > search(task).damage


def test_a_limit_that_nothing_keeps_ends_with_the_nearest_that_is_kept() -> None:
    search, task = mixed(), problem(1.0)
    with pytest.raises(InfeasibleError, match=r"no stack of cells runs within 0.001 ms here") as caught:
        search(task)
    nearest = search(replace(task, limit_us=1e3 * caught.value.nearest_ms + 1e-9))
    assert nearest.cost_us == pytest.approx(1e3 * caught.value.nearest_ms)
    assert search_cached(replace(task, limit_us=1e3 * caught.value.nearest_ms + 1e-9), search) == nearest
    assert cheapest_stack(replace(task, limit_us=1e9)) == nearest


@pytest.mark.parametrize("search", [mixed(), cheapest_stack], ids=["mixed", "cheapest"])
def test_bytes_that_nothing_keeps_are_named(search: Callable[[SearchProblem], object]) -> None:
    task = replace(problem(1e6), most_bytes=0.0)
    with pytest.raises(TooLargeError, match=r"no stack of cells .* is small enough: it has at least") as caught:
        search(task)
    with pytest.raises(TooLargeError) as again:
        solve(task, search, limit_ms=1000.0, tail=1.1)
    assert caught.value.missing_bytes == again.value.missing_bytes > 0


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_the_expected_share_of_single_blocks_is_that_of_their_stack(scale: float) -> None:
    task, limit_ms = problem(0.0), 0.2
    table = replace(task.table, calibration=Calibration(scale=scale))
    bench = SimpleNamespace(request=SimpleNamespace(budget=SimpleNamespace(max_size_bytes=None)))
    planned = CellSearch(bench, None, Precision.INT8, SPACE, table, limit_ms)._problem()
    edges = torch.zeros(3, len(NAMES), requires_grad=True)
    chosen = ("conv-3", IDENTITY, "lstm")
    with torch.no_grad():
        for number, name in enumerate(chosen):
            edges[number, NAMES.index(name)] = 1
    aggregations = torch.tensor([float(name == "max-pooling") for name in AGGREGATIONS])
    share = expected_share(planned, nodes=2, stacked=3)(edges, aggregations)
    nodes = ((Edge(0, "conv-3"),), (Edge(0, IDENTITY), Edge(1, "lstm")))
    whole_us = estimate(table, replace(SPACE, cells=Cells(nodes, 3, "max-pooling"))).value_us
    assert float(share.detach()) == pytest.approx(whole_us / (1e3 * limit_ms), rel=1e-5)
    share.backward()
    assert edges.grad is not None
    assert edges.grad[:, NAMES.index(IDENTITY)].abs().max() == 0 < edges.grad[:, NAMES.index("lstm")].min()


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
    assert [len(part) for part in (trace.hidden, trace.pooled, trace.scores)] == [3, 2, 2]


class Broken(LongRange):
    """Some of its losses are not finite."""

    def __init__(self, calls: range) -> None:
        super().__init__()
        self._calls, self._number = calls, 0

    def __call__(self, model: torch.nn.Module, rows: np.ndarray) -> torch.Tensor:
        loss = super().__call__(model, rows)
        self._number += 1
        return loss * math.nan if self._number - 1 in self._calls else loss


def with_losses(task: LongRange, steps: int) -> tuple[Supernet, Choice]:
    torch.manual_seed(0)
    supernet = Supernet(SPACE, nodes=1, stacked=1)
    halves = Halves.drawn(np.full(64, 10, dtype=np.int64), batch=8, seed=0)
    return supernet, bilevel(supernet, supernet, lambda at: task, halves, no_price, steps=steps, seed=0)


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    supernet, choice = with_losses(Broken(range(5, 9)), 20)
    assert choice.steps > 6  # behind them
    assert all(parameter.isfinite().all() for parameter in supernet.parameters())
    untouched, _ = with_losses(LongRange(), 20)
    assert not torch.equal(supernet.alpha, untouched.alpha)


def test_one_after_the_other_ends_the_search() -> None:
    with pytest.raises(CompressorError, match=rf"gradients of {MOST_LEFT_OUT + 1} steps in a row .* step 12 are not"):
        with_losses(Broken(range(2, 1000)), 200)


def test_the_first_steps_are_compared_with_usual_ones() -> None:
    assert Halves.drawn(np.full(64, 10), batch=8, seed=0).usual_share(3) == 1.0
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    halves = Halves.drawn(lengths, batch=8, seed=0)
    orders = [half.order for half in (halves.weights, halves.choices)]
    for steps in (1, 7):
        seen = sum(int(order.lengths[order.rows(step)].sum()) for order in orders for step in range(steps)) / steps
        usual = 8 * sum(float(order.lengths.mean()) for order in orders)
        assert halves.usual_share(steps) == pytest.approx(usual / seen)
    # Rows of similar length are in one step, so that a whole pass has all of them.
    assert halves.usual_share(orders[0].steps_per_epoch) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("search_s", "left_s", "steps"),
    [(100.0, 300.0, 80), (10.0, 300.0, 30), (10.0, 20.0, 16), (0.0, -5.0, 1), (1e6, 1e6, 3000)],
    ids=["what fits", "the least", "less where there is no time", "one", "enough"],
)
def test_the_steps_fit_the_time(search_s: float, left_s: float, steps: int) -> None:
    assert fitting_steps(1.0, search_s=search_s, left_s=left_s) == steps


def test_weights_go_where_the_same_edge_is() -> None:
    before = Cells(((Edge(0, "conv-3"),), (Edge(0, "lstm"), Edge(1, "conv-3"))), 2, "attention-pooling")
    now = Cells(((Edge(0, "conv-5"),), (Edge(1, "conv-3"),)), 1, "max-pooling")
    names = list(Encoder(replace(SPACE, cells=before)).state_dict())
    found = renamed({name: torch.tensor([float(place)]) for place, name in enumerate(names)}, before, now)
    old, new = "cells.cells.0.blocks.1.1.filters.weight", "cells.cells.0.blocks.1.0.filters.weight"
    assert found[new].item() == names.index(old)
    assert not any(name.startswith(("cells.cells.0.blocks.0", "cells.aggregation")) for name in found)
    assert {name for name in found if not name.startswith("cells.")} == {
        name for name in names if not name.startswith("cells.")
    }
    assert set(renamed(dict.fromkeys(names, torch.zeros(1)), before, before)) == set(names)

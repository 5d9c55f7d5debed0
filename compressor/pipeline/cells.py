"""NAS-KD (Zhang et al. 2020): cells are searched from scratch while the teacher is distilled into all of them at once.

    table of the blocks -> supernet, both levels trained -> discretise within the limit -> build, measure, correct
    -> the student from scratch: the teacher's embeddings, projected; everything else new

Block weights are not kept: as in the paper the student is trained anew.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compressor.distill.objectives import completed, deepest
from compressor.encoder import Encoder
from compressor.pipeline.distilling import FINISHING_SECONDS
from compressor.pipeline.judging import Judge
from compressor.pipeline.objectives import objective_job
from compressor.pipeline.searching import reporter, search_seconds, sized
from compressor.pipeline.stages import weights_path
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Cut, Precision
from compressor.records.cells import Cells
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import LatencySummary, LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Candidate, Confirmed, Finalists, check_finalists
from compressor.search import NAS_KD, USUAL_LOSS, SearchProblem, Solution
from compressor.search.bilevel import Choice, Halves, bilevel
from compressor.search.cell_prices import expected_share
from compressor.search.confirm import confirm, solve
from compressor.search.discretising import HEIGHTS, MixedCellSearch, cheapest_stack
from compressor.search.supernet import StoredSupernet, Supernet
from compressor.space.cells import NODES
from compressor.tasks import Tokens
from compressor.train import Setup

TABLE = "-cells"  # tag of the table of the blocks
WIDTH = 128  # of the cells; less where the teacher is narrower
STACKED = 2  # while searching: a cell that is good twice is stacked more often
EXPECTED = 3  # cells that the expected latency is that of
BATCH = 32
LEAST_STEPS, MOST_STEPS, PROBE_STEPS = 30, 3000, 8
# Of the time that is left for the search: the machine may be slower than while it was probed.
USED = 0.8
# Names of weights: cells.cells.0.blocks.1.0.filters.weight is the first cell, its second node's first edge.
OF_BLOCK = re.compile(r"(cells\.cells\.\d+\.blocks)\.(\d+)\.(\d+)\.(.+)")
AGGREGATION = "cells.aggregation."


@dataclass(frozen=True)
class CellSearch:
    """One search.

    Attributes:
        bench: What all stages share.
        judge: Times what is built.
        precision: Of the students.
        space: Everything around the cells.
        table: Of the blocks.
        limit_ms: The promise.
    """

    bench: Workbench
    judge: Judge
    precision: Precision
    space: Architecture
    table: LatencyTable
    limit_ms: float

    def run(self) -> Finalists:
        """The stack with the most weight among those whose measured latency keeps the limit.

        Raises:
            InfeasibleError: No stack keeps it; known before anything is trained where the table says so.
        """
        problem = self._problem()
        solve(problem, cheapest_stack, limit_ms=self.limit_ms, tail=self.judge.tail)
        choice = self._choice(problem)
        edges, aggregations = choice.edges.double().numpy(), choice.aggregations.double().numpy()
        found = confirm(
            problem,
            MixedCellSearch(edges, aggregations, NODES, heights(self.bench)),
            self._measure,
            limit_ms=self.limit_ms,
            tail=self.judge.tail,
            report=reporter(self.bench),
        )
        trial = found.trial
        student = Confirmed(
            source=None,
            widths=(),
            cut=Cut(()),
            architecture=problem.shape_of(trial.solution),
            damage=trial.solution.damage,
            predicted_ms=trial.predicted_ms,
            latency=trial.latency,
            rounds=found.rounds,
            calibration=found.table.calibration.scale,
            table=TABLE,
        )
        return check_finalists(Finalists((NAS_KD,), (student,)))

    def _problem(self) -> SearchProblem:
        """With the limit on the table's costs that is the promise without any tail."""
        limit_us = 1e3 * self.limit_ms / self.table.calibration.scale
        problem = SearchProblem(self.space, ScoredSpace(()), self.table, limit_us)
        smallest = cheapest_stack(replace(problem, limit_us=math.inf))
        return sized(self.bench, problem, problem.shape_of(smallest))

    def _measure(self, solution: Solution) -> tuple[LatencySummary, float]:
        encoder = Encoder(replace(self.space, cells=solution.cells)).eval()
        return self.judge.time(apply_precision(encoder.emit(), self.precision).SerializeToString())

    @property
    def _name(self) -> str:
        """Of files and choices: there is a search for every limit, and what is cut further shares that of its own."""
        return f"cells-{round(1e3 * self.limit_ms)}"

    def _choice(self, problem: SearchProblem) -> Choice:
        """Of the two trained levels; kept for continuations and for a second look at the same limit."""
        path = self.bench.run.file(f"{self._name}.safetensors")
        if not path.exists():
            choice = self._searched(problem)
            partial = path.with_name(path.name + ".partial")
            kept = {"edges": choice.edges, "aggregations": choice.aggregations, "steps": torch.tensor(choice.steps)}
            save_file(kept, partial)
            partial.replace(path)
        tensors = load_file(path)
        return Choice(tensors["edges"], tensors["aggregations"], int(tensors["steps"]))

    def _searched(self, problem: SearchProblem) -> Choice:
        """Both levels, as long as there is time for it."""
        bench, setup = self.bench, self._setup()
        halves = halves_of(bench)
        share = expected_share(problem, nodes=NODES, stacked=min(EXPECTED, max(heights(bench))))

        def train(steps: int, checkpoint: Path | None = None) -> Choice:
            def report(number: int, loss: float) -> None:
                bench.observer.progress(number / steps, f"loss {loss:.4f}")

            return bilevel(
                setup.model,
                supernet_of(setup),
                setup.step_at,
                halves,
                share,
                steps=steps,
                seed=bench.request.seed,
                checkpoint=checkpoint,
                report=report,
            )

        steps = bench.run.choose(f"{self._name}.steps", lambda: self._affordable(setup.model, halves, train))
        choice = train(steps, bench.run.file(f"{self._name}-checkpoint.safetensors"))
        early = "" if choice.steps == steps else ", stopped before it fell for identity"
        few = f", fewer than {LEAST_STEPS}: the time budget has no room for more" if steps < LEAST_STEPS else ""
        bench.observer.note(f"cells: {choice.steps} steps of both levels{early}{few}")
        return choice

    def _setup(self) -> Setup:
        """The supernet, distilled with the losses that were asked for, else with those of the paper."""
        bench = self.bench
        stacked = min(STACKED, max(heights(bench)))
        torch.manual_seed(bench.request.seed)
        supernet = Supernet(self.space, nodes=NODES, stacked=stacked)
        take_embeddings(supernet, bench.root)
        path = bench.run.file("supernet.safetensors")
        save_file(supernet.state_dict(), path)
        stored = StoredSupernet(self.space, NODES, stacked, path)
        return objective_job(bench, losses_of(bench), stored, batch=BATCH).setup()

    def _affordable(self, model: nn.Module, halves: Halves, train: Callable[[int], Choice]) -> int:
        """Steps that fit into the time; the model is left as it was."""
        before = {name: value.clone() for name, value in model.state_dict().items()}
        train(2)  # with steps of both levels: what is compiled at the first call of a shape counts for neither
        begin = time.monotonic()
        taken = max(1, train(PROBE_STEPS).steps)
        seconds = (time.monotonic() - begin) / taken * halves.usual_share(taken)
        model.load_state_dict(before)
        return fitting_steps(
            seconds, search_s=search_seconds(self.bench), left_s=self.bench.seconds_left - FINISHING_SECONDS
        )


def fitting_steps(step_s: float, *, search_s: float, left_s: float) -> int:
    """Steps of both levels.

    Args:
        step_s: Of one.
        search_s: That the search may take.
        left_s: Until the student has to be shipped: the least steps may go beyond the search's time, not beyond this.
    """
    planned, possible = (int(USED * max(0.0, seconds) / step_s) for seconds in (search_s, left_s))
    return min(max(1, planned, min(LEAST_STEPS, possible)), MOST_STEPS)


def heights(bench: Workbench) -> tuple[int, ...]:
    """How often a cell may be stacked: some losses match no student that is deeper than its teacher."""
    most = deepest(losses_of(bench), len(bench.root.architecture.layers))
    return tuple(stacked for stacked in HEIGHTS if most is None or stacked <= most)


def losses_of(bench: Workbench) -> DistillRecipe:
    """What cells are found with: the losses of the students; where these learn labels alone, that of the paper."""
    kind = bench.teacher.kind
    return bench.losses or completed(DistillRecipe.named(USUAL_LOSS[kind]), kind)


def halves_of(bench: Workbench) -> Halves:
    """Of the rows that were given, which come first: a changed copy of a row is not held out where the row is not."""
    lengths = Tokens.load(bench.run.file("tokens")).lengths[: len(bench.train)]
    return Halves.drawn(lengths, batch=BATCH, seed=bench.request.seed)


def supernet_of(setup: Setup) -> Supernet:
    """The part of what is trained that is kept."""
    if not isinstance(setup.result, Supernet):
        raise TypeError(f"expected a supernet, got {type(setup.result).__name__}")
    return setup.result


def cells_width(teacher: Architecture) -> int:
    """Of the cells: heads divide it."""
    return min(WIDTH, max(8, teacher.hidden // 8 * 8))


def take_embeddings(network: nn.Module, teacher: Encoder) -> None:
    """Tables and norm of the teacher; the projection to the cells' width is new."""
    own = {f"embeddings.{name}": value for name, value in teacher.embeddings.state_dict().items()}
    take_fitting(network, {name: value for name, value in own.items() if "projection" not in name})


def take_fitting(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """The weights whose names and shapes the network has."""
    known = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in known and known[name].shape == value.shape}
    network.load_state_dict({**known, **fitting})


def renamed(weights: dict[str, Tensor], before: Cells, now: Cells) -> dict[str, Tensor]:
    """Weights of a stack under the names that they have in another one.

    A block goes where the same node has the same edge, source and block: at the same place may be another one of the
    same shapes. What has no such edge is left out, and so is another aggregation.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if block := OF_BLOCK.fullmatch(name):
            stack, node, place, rest = block.group(1), int(block.group(2)), int(block.group(3)), block.group(4)
            edge = before.nodes[node][place]
            edges = now.nodes[node] if node < len(now.nodes) else ()
            if edge in edges:
                found[f"{stack}.{node}.{edges.index(edge)}.{rest}"] = value
        elif not name.startswith(AGGREGATION) or before.aggregation == now.aggregation:
            found[name] = value
    return found


def begun(bench: Workbench, shape: Architecture, tag: str, before: Candidate | None) -> Path:
    """Weights of a student that is about to be trained: new, or those of an earlier one as far as they fit.

    Args:
        bench: What all stages share.
        shape: Of the student.
        tag: Of the file.
        before: A trained student of other cells, or of another number of them; None = there is none.
    """
    torch.manual_seed(bench.request.seed)
    student = Encoder(shape)
    take_embeddings(student, bench.root)
    cells = None if before is None or before.student is None else before.student.architecture.cells
    if before is not None and cells is not None and shape.cells is not None:
        take_fitting(student, renamed(load_file(weights_path(bench, before.tag)), cells, shape.cells))
    path = bench.run.file(f"inherited{tag}.safetensors")
    save_file(student.state_dict(), path)
    return path

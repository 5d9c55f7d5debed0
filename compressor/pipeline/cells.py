"""NAS-KD (Zhang et al. 2020): cells are searched from scratch while the teacher is distilled into all of them at once.

    table of the blocks -> supernet, both levels trained -> discretise within the limit -> build, measure, correct
    -> the student from scratch: the teacher's embeddings, projected; everything else new

Block weights are not kept: as in the paper the student is trained anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compressor.distill.objectives import completed
from compressor.encoder import AGGREGATIONS, IDENTITY, NONE, Encoder
from compressor.latency.ops import block_op, join_op, stem_op
from compressor.pipeline.judging import Judge
from compressor.pipeline.objectives import objective_job
from compressor.pipeline.searching import reporter
from compressor.pipeline.workbench import Workbench
from compressor.precision import apply_precision
from compressor.records.architecture import Architecture, Cut, Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import LatencySummary, LatencyTable
from compressor.records.score import ScoredSpace
from compressor.records.stages import Confirmed, Finalists, check_finalists
from compressor.records.task import TaskKind
from compressor.search import NAS_KD, SearchProblem, Solution
from compressor.search.bilevel import Choice, Halves, bilevel
from compressor.search.confirm import confirm
from compressor.search.discretising import MixedCellSearch
from compressor.search.supernet import NAMES, StoredSupernet, Supernet
from compressor.space.cells import NODES
from compressor.tasks import Tokens
from compressor.train import Setup

TABLE = "-cells"  # tag of the table of the blocks
WIDTH = 128  # of the cells; less where the teacher is narrower
STACKED = 2  # while searching: a cell that is good twice is stacked more often
BATCH = 32
SEARCH_SHARE = 0.25  # of the time budget
LEAST_STEPS, MOST_STEPS, PROBE_STEPS = 30, 3000, 3
USUAL_LOSS: dict[TaskKind, str] = {
    "text-classification": "nas-kd",
    "token-classification": "nas-kd",
    "regression": "logit-mse",
}


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
        tag: Of its files and choices.
    """

    bench: Workbench
    judge: Judge
    precision: Precision
    space: Architecture
    table: LatencyTable
    limit_ms: float
    tag: str

    def run(self) -> Finalists:
        """The stack with the most weight among those whose measured latency keeps the limit.

        Raises:
            InfeasibleError: No stack keeps it.
        """
        choice = self._choice()
        search = MixedCellSearch(choice.edges.double().numpy(), choice.aggregations.double().numpy(), NODES)
        problem = SearchProblem(self.space, ScoredSpace(()), self.table, self.limit_ms * 1e3)
        found = confirm(
            problem,
            search,
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

    def _measure(self, solution: Solution) -> tuple[LatencySummary, float]:
        encoder = Encoder(replace(self.space, cells=solution.cells)).eval()
        return self.judge.time(apply_precision(encoder.emit(), self.precision).SerializeToString())

    def _choice(self) -> Choice:
        """Of the two trained levels; kept for continuations and for a second look at the same limit."""
        path = self.bench.run.file("cells.safetensors")
        if not path.exists():
            choice = self._searched()
            partial = path.with_name(path.name + ".partial")
            kept = {"edges": choice.edges, "aggregations": choice.aggregations, "steps": torch.tensor(choice.steps)}
            save_file(kept, partial)
            partial.replace(path)
        tensors = load_file(path)
        return Choice(tensors["edges"], tensors["aggregations"], int(tensors["steps"]))

    def _searched(self) -> Choice:
        """Both levels, as long as there is time for it."""
        bench, setup = self.bench, self._setup()
        halves = Halves.drawn(Tokens.load(bench.run.file("tokens")).lengths, batch=BATCH, seed=bench.request.seed)

        def train(steps: int, checkpoint: Path | None = None) -> Choice:
            def report(number: int, loss: float) -> None:
                bench.observer.progress(number / steps, f"loss {loss:.4f}")

            return bilevel(
                setup.model,
                supernet_of(setup),
                setup.step_at,
                halves,
                self._expected_share(),
                steps=steps,
                seed=bench.request.seed,
                checkpoint=checkpoint,
                report=report,
            )

        steps = bench.run.choose("cells.steps", lambda: self._affordable(setup.model, train))
        choice = train(steps, bench.run.file("cells-checkpoint.safetensors"))
        early = "" if choice.steps == steps else ", stopped before it fell for identity"
        bench.observer.note(f"cells: {choice.steps} steps of both levels{early}")
        return choice

    def _setup(self) -> Setup:
        """The supernet, distilled with the losses that were asked for, else with those of the paper."""
        bench = self.bench
        torch.manual_seed(bench.request.seed)
        supernet = Supernet(self.space, nodes=NODES, stacked=STACKED)
        take_embeddings(supernet, bench.root)
        path = bench.run.file("supernet.safetensors")
        save_file(supernet.state_dict(), path)
        losses = bench.losses or completed(DistillRecipe.named(USUAL_LOSS[bench.teacher.kind]), bench.teacher.kind)
        student = StoredSupernet(self.space, NODES, STACKED, path)
        return objective_job(bench, losses, student, batch=BATCH).setup()

    def _affordable(self, model: nn.Module, train: Callable[[int], Choice]) -> int:
        """Steps that fit into the search's share of the time; the model is left as it was."""
        before = {name: value.clone() for name, value in model.state_dict().items()}
        train(1)
        begin = time.monotonic()
        train(PROBE_STEPS)
        seconds = (time.monotonic() - begin) / PROBE_STEPS
        model.load_state_dict(before)
        affordable = int(SEARCH_SHARE * self.bench.request.time_budget_s / seconds)
        return min(max(affordable, LEAST_STEPS), MOST_STEPS)

    def _expected_share(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Expected latency over the limit, as the edges mix their blocks; of three cells."""
        costs, stacked = self._costs, 3

        def share(edges: Tensor, aggregations: Tensor) -> Tensor:
            mixed = stacked * (edges @ costs["blocks"]).sum() + aggregations @ costs["aggregations"] + costs["rest"][0]
            return mixed / (1e3 * self.limit_ms)

        return share

    @property
    def _costs(self) -> dict[str, Tensor]:
        """Of every block and aggregation, and of what is always there, in microseconds."""

        def cost(op: object) -> float:
            return self.table.calibration.scale * self.table.cost(op, 0.0).value_us  # type: ignore[arg-type]

        free = {IDENTITY, NONE}
        names = [] if self.space.per_token else list(AGGREGATIONS)
        blocks = [0.0 if name in free else cost(block_op(self.space, name, self.precision)) for name in NAMES]
        joins = sum(cost(join_op(self.space, edges, self.precision)) for edges in range(1, NODES + 1))
        return {
            "blocks": torch.tensor(blocks),
            "aggregations": torch.tensor([cost(block_op(self.space, name, self.precision)) for name in names]),
            "rest": torch.tensor([cost(stem_op(self.space, self.precision)) + 3 * joins]),
        }


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


def begun(bench: Workbench, shape: Architecture, tag: str, before: Path | None) -> Path:
    """Weights of a student that is about to be trained: new, or those of an earlier one as far as they fit.

    Args:
        bench: What all stages share.
        shape: Of the student.
        tag: Of the file.
        before: Weights of a trained student of another number of cells; None = there is none.
    """
    torch.manual_seed(bench.request.seed)
    student = Encoder(shape)
    take_embeddings(student, bench.root)
    if before is not None:
        take_fitting(student, load_file(before))
    path = bench.run.file(f"inherited{tag}.safetensors")
    save_file(student.state_dict(), path)
    return path

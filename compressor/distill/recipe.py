"""The default training of a student, without a recipe from the user: what is fixed, and what depends on the time."""

import math
from dataclasses import dataclass

from compressor.records.training import TrainPlan
from compressor.train.crew import Crew

# Twice as many rows of a batch of 128 go through a small student in the same time as of 64 (benchmarks/log.md); where
# there are so few rows that it would leave few steps, the batch is small.
BATCH, LEARNING_RATE = 128, 4e-4
SMALL_BATCH, SMALL_RATE = 64, 3e-4
MANY_STEPS = 2_000
# Rows that are seen in all: nine passes over SST-2's 67,000; small sets are repeated, but not for ever.
ROWS_SEEN = 600_000
MAX_EPOCHS = 30
# Share of the time budget that the teacher may take to answer the text itself, and rows that it answers anyway.
LABELLING_SHARE, LEAST_ROWS = 0.2, 2_048
# Changed copies are made until there are so many rows in all (three passes over them); the share of the time budget
# that the teacher may take to answer them.
DISTINCT_ROWS, COPYING_SHARE = 200_000, 0.1
MOST_COPIES = 16
# Where what is evaluated is so many times as long as what is trained on, half of the copies are of two rows joined.
LONGER = 1.5
MIN_STEPS = 50
# Of every finalist; and the share of the time budget that a race takes at most.
RACE_ROWS, RACE_SHARE = 10_000, 0.08
# Of every try of a search: it tells less than a race, and there are more of them. With fewer steps the ranks of shapes
# would be those of what they begin with.
TRY_ROWS, LEAST_TRY_STEPS = 5_000, 20
PROBE_STEPS = 40


@dataclass(frozen=True)
class Part:
    """One training of those that make a student.

    Attributes:
        rows: Share of the rows that are seen in all.
        rate: Factor on the learning rate.
        budget: Share of the time budget that it takes at most.
    """

    rows: float
    rate: float
    budget: float


# A student cut out of its teacher; or an assistant, and a student cut out of that; a student that is cut once more.
WHOLE = Part(1.0, 1.0, 0.19)
ASSISTANT, BEHIND_ASSISTANT = Part(0.25, 1.0, 0.06), Part(0.75, 1.0, 0.13)
REPAIR = Part(0.1, 0.5, 0.05)
# A limit below this share of the fastest teacher's latency is reached in two cuts, at half the way on a logarithmic
# scale: units that an assistant has learnt to do without are given up at less damage.
DEEP = 0.3


def rows_of(rows: int, *, rows_per_second: float, time_budget_s: float) -> int:
    """Rows of the text that are trained on: no more than are seen in all, or than the teacher answers in its time.

    Where the time decides it is a round number, so that later runs find the teacher's answers to the same rows.

    Args:
        rows: Of the text.
        rows_per_second: That the teacher answers.
        time_budget_s: For all stages.
    """
    most, affordable = min(rows, ROWS_SEEN), LABELLING_SHARE * time_budget_s * rows_per_second
    if affordable >= most:
        return most
    affordable = max(affordable, LEAST_ROWS)
    quarter = 1 << max(0, int(math.log2(affordable)) - 2)
    return min(most, int(affordable) // quarter * quarter)


def copies_of(rows: int, *, rows_per_second: float, time_budget_s: float, length_ratio: float = 1.0) -> int:
    """Changed copies of every row: 0, or a power of two, so that later runs find the teacher's answers to them.

    Args:
        rows: Of the text.
        rows_per_second: That the teacher answers.
        time_budget_s: For all stages.
        length_ratio: Tokens of what is evaluated over those of what is trained on.
    """
    affordable = COPYING_SHARE * time_budget_s * rows_per_second / rows
    if length_ratio >= LONGER:
        affordable /= 1.5  # half of the copies are twice as long
    wanted = min(DISTINCT_ROWS / rows - 1, affordable, MOST_COPIES)
    return 0 if wanted < 1 else 2 ** int(math.log2(wanted))


def joined_of(copies: int, length_ratio: float) -> int:
    """How many of the copies are of two rows joined."""
    return copies // 2 if length_ratio >= LONGER else 0


def batch_of(rows: int) -> int:
    """Rows per step, of a training on that many rows."""
    return BATCH if _rows_seen(rows) >= MANY_STEPS * BATCH else SMALL_BATCH


def wanted_steps(rows: int, part: Part = WHOLE) -> int:
    """Steps that the recipe takes where there is time for them."""
    return max(MIN_STEPS, int(part.rows * (_rows_seen(rows) // batch_of(rows))))


def fitting_steps(rows: int, *, examples_per_second: float, seconds: float, part: Part = WHOLE) -> int:
    """The wanted steps, or as many as fit into the time that is left."""
    affordable = int(seconds * examples_per_second / batch_of(rows))
    return max(MIN_STEPS, min(wanted_steps(rows, part), affordable))


def intermediate_ms(limit_ms: float, teacher_ms: float, *, always: bool = False) -> float | None:
    """The limit of an assistant; None = the teacher can be cut at once.

    Args:
        limit_ms: Of the student.
        teacher_ms: The teacher's latency in the same precision.
        always: However shallow the cut is.
    """
    share = 1.0 if always else DEEP
    return math.sqrt(limit_ms * teacher_ms) if limit_ms < share * teacher_ms else None


def race_steps(rows: int, *, examples_per_second: float, seconds: float) -> int:
    """Steps of each finalist in a race; 0 where there is no time for as many as tell something."""
    steps = int(min(RACE_ROWS, seconds * examples_per_second) // batch_of(rows))
    return steps if steps >= MIN_STEPS else 0


def try_steps(rows: int, *, examples_per_second: float, seconds: float) -> int:
    """Steps of every try of a search, the same for all shapes, so that they can be compared.

    Args:
        rows: Of the text.
        examples_per_second: Of the slowest shape.
        seconds: That a try may take; the least steps may take longer.
    """
    return max(LEAST_TRY_STEPS, int(min(TRY_ROWS, seconds * examples_per_second) // batch_of(rows)))


def plan(steps: int, *, rows: int, crew: Crew, seed: int, part: Part = WHOLE, bfloat16: bool = False) -> TrainPlan:
    """A training of that many steps, of text of so many rows."""
    batch = batch_of(rows)
    rate = part.rate * (LEARNING_RATE if batch == BATCH else SMALL_RATE)
    return TrainPlan(
        steps=steps,
        batch=batch - batch % crew.ranks,
        learning_rate=rate,
        ranks=crew.ranks,
        threads=crew.threads,
        device=crew.device,
        seed=seed,
        bfloat16=bfloat16,
    )


def _rows_seen(rows: int) -> int:
    return min(ROWS_SEEN, MAX_EPOCHS * rows)

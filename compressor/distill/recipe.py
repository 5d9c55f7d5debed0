"""The default training of a student, without a recipe from the user: what is fixed, and what depends on the time."""

from compressor.records.training import TrainPlan

BATCH = 64
LEARNING_RATE = 3e-4
# Rows that are seen in all: three passes over SST-2's 67,000; small sets are repeated, but not for ever.
ROWS_SEEN = 200_000
MAX_EPOCHS = 30
MIN_STEPS = 50
PROBE_STEPS = 24
# With fewer than four rows a rank does little but wait for the others.
MAX_RANKS = BATCH // 4


def wanted_steps(rows: int) -> int:
    """Steps that the recipe takes where there is time for them."""
    return max(MIN_STEPS, min(ROWS_SEEN, MAX_EPOCHS * rows) // BATCH)


def fitting_steps(rows: int, *, examples_per_second: float, seconds: float) -> int:
    """The wanted steps, or as many as fit into the time that is left."""
    return max(MIN_STEPS, min(wanted_steps(rows), int(seconds * examples_per_second / BATCH)))


def ranks_on(cores: int) -> int:
    """Processes that share a batch on that many cores."""
    return min(cores, MAX_RANKS)


def plan(steps: int, *, ranks: int, seed: int) -> TrainPlan:
    """A training of that many steps on `ranks` processes, as many as `ranks_on` says."""
    batch = BATCH - BATCH % ranks
    return TrainPlan(steps=steps, batch=batch, learning_rate=LEARNING_RATE, ranks=ranks, seed=seed)

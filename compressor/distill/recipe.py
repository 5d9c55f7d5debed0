"""The default training of a student, without a recipe from the user: what is fixed, and what depends on the time."""

from compressor.records.training import TrainPlan

BATCH = 64
LEARNING_RATE = 3e-4
# Rows that are seen in all: three passes over SST-2's 67,000; small sets are repeated, but not for ever.
ROWS_SEEN = 200_000
MAX_EPOCHS = 30
MIN_STEPS = 50
PROBE_STEPS = 24
# A trained student that was cut a little further: a fifth of the training at half the rate.
REPAIR_SHARE, REPAIR_RATE = 0.2, 0.5
# With fewer than four rows a rank does little but wait for the others.
MAX_RANKS = BATCH // 4


def wanted_steps(rows: int, *, repair: bool = False) -> int:
    """Steps that the recipe takes where there is time for them."""
    share = REPAIR_SHARE if repair else 1.0
    return max(MIN_STEPS, int(share * (min(ROWS_SEEN, MAX_EPOCHS * rows) // BATCH)))


def fitting_steps(rows: int, *, examples_per_second: float, seconds: float, repair: bool = False) -> int:
    """The wanted steps, or as many as fit into the time that is left."""
    return max(MIN_STEPS, min(wanted_steps(rows, repair=repair), int(seconds * examples_per_second / BATCH)))


def ranks_on(cores: int) -> int:
    """Processes that share a batch on that many cores."""
    return min(cores, MAX_RANKS)


def plan(steps: int, *, ranks: int, seed: int, repair: bool = False, bfloat16: bool = False) -> TrainPlan:
    """A training of that many steps on `ranks` processes, as many as `ranks_on` says."""
    batch = BATCH - BATCH % ranks
    rate = LEARNING_RATE * (REPAIR_RATE if repair else 1.0)
    return TrainPlan(steps=steps, batch=batch, learning_rate=rate, ranks=ranks, seed=seed, bfloat16=bfloat16)

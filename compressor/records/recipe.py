"""The parts of a student's recipe, each of which can be switched, to see what it buys."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a student is made; the default is what was measured as best.

    Attributes:
        refit: In front of the training, output projections take over what the units did that a cut took away. The
            student is nearer to its teacher before the training, and farther behind it (benchmarks/log.md).
        race: Plain architectures are finalists too, and a short training decides.
        staged: A deep cut is made in two, the second out of a student that was trained for a while.
        augmented: Changed copies of small sets of text are trained on too.
        distilled: The student learns the teacher's outputs; else the labels.
    """

    refit: bool = False
    race: bool = True
    staged: bool = True
    augmented: bool = True
    distilled: bool = True

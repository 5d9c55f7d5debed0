"""The parts of the default recipe that can be left out, to see what each of them buys."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a student is made; everything is on unless an ablation leaves it out.

    Attributes:
        refit: Output projections take over what the units did that a cut took away.
        race: Plain architectures are finalists too, and a short training decides.
        staged: A deep cut is made in two, the second out of a student that was trained for a while.
        augmented: Changed copies of small sets of text are trained on too.
        distilled: The student learns the teacher's outputs; else the labels.
    """

    refit: bool = True
    race: bool = True
    staged: bool = True
    augmented: bool = True
    distilled: bool = True

"""Which layers of the teacher a layer of the student is matched with; 0 = the embeddings, 1 = the first layer.

| map | student layers 1 .. 4, teacher of 12 |
| --- | --- |
| uniform | 3, 6, 9, 12 |
| last | 9, 10, 11, 12 |
| apart | 1-3, 4-6, 7-9, 10-12 |
| overlapping | 1-4, 3-7, 6-10, 9-12 |
| all | 1-12, 1-12, 1-12, 1-12 |

The papers' teachers have a multiple of the student's layers; where it is none, layers are rounded to the nearest. Only
the numbers of layers count: which of its teacher's layers a student was cut out of is not looked at, so that a student
with the teacher's last layers is matched like one with every second.
"""

from itertools import pairwise

Buckets = tuple[tuple[int, ...], ...]


def uniform(student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's layer of each layer 0 .. `student`, evenly spaced, never one twice: (0, 3, 6, 9, 12)."""
    return tuple((2 * layer * teacher + student) // max(1, 2 * student) for layer in range(student + 1))


def last(student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's layer of each layer 1 .. `student`: its last ones."""
    return tuple(range(teacher - student + 1, teacher + 1))


def apart(student: int, teacher: int) -> Buckets:
    """Groups of neighbours without overlap, one per layer of the student."""
    ends = uniform(student, teacher)
    return tuple(tuple(range(begin + 1, end + 1)) for begin, end in pairwise(ends))


def overlapping(student: int, teacher: int) -> Buckets:
    """The same groups, each with one more layer on both sides where there is one."""
    return tuple(
        tuple(range(max(1, group[0] - 1), min(teacher, group[-1] + 1) + 1)) for group in apart(student, teacher)
    )


def everything(student: int, teacher: int) -> Buckets:
    """All layers of the teacher, for each layer of the student."""
    return (tuple(range(1, teacher + 1)),) * student

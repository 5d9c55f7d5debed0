"""What an answer that never changes reaches: a teacher that is not above it has not learnt the labels of this data.

    chance = the metric of always answering the most common label; of two classes, of the better one

For correlations and Matthews that is 0, as for every answer that never changes. For entity F1 it is 0 too, but random
tags have a little more: there the accuracy over words is looked at.
"""

from dataclasses import replace

import numpy as np

from compressor.records.task import AGREEMENT, TaskSpec
from compressor.tasks.metrics import Outputs, get_metric, points
from compressor.tasks.one_label import only_label
from compressor.tasks.targets import Targets

_NAMES_SHOWN = 5


def chance_notes(outputs: Outputs, targets: Targets, spec: TaskSpec, *, part: str) -> tuple[str, ...]:
    """A sentence if a teacher is not above chance, else none.

    Args:
        outputs: Of the teacher, as a metric takes them.
        targets: Labels of the same rows.
        spec: The task; with `agreement` the teacher's answers are the labels, so nothing is said.
        part: Name of the rows.
    """
    if spec.metric == AGREEMENT or only_label(targets.values[targets.counted]) is not None:
        return ()
    if spec.metric == "entity_f1":
        spec = replace(spec, metric="accuracy")
    reached, by_chance = get_metric(spec.metric)(outputs, targets), chance(targets, spec)
    if reached > by_chance:
        return ()
    note = (
        f"The teacher is no better than chance on `{part}`: {spec.metric} {points(reached):.2f}, and an answer that "
        f"never changes has {points(by_chance):.2f}. {_likely(spec)} The engine is made to answer as it does."
    )
    return (note,)


def chance(targets: Targets, spec: TaskSpec) -> float:
    """The metric of the best answer that never changes."""
    metric, count = get_metric(spec.metric), len(targets.values)
    if spec.kind == "regression":
        return metric(np.zeros((count, 1)), targets)
    classes = len(spec.label_names)
    common = np.bincount(targets.values[targets.counted].astype(np.int64), minlength=classes).argmax()
    always = np.eye(classes)[range(classes) if classes == 2 else [common]]
    return max(metric(np.broadcast_to(one, (count, classes)), targets) for one in always)


def _likely(spec: TaskSpec) -> str:
    if spec.kind == "regression":
        return (
            f"Likely it was trained for another score, or one that falls where {spec.label_column!r} rises: check "
            "--label-column."
        )
    shown = ", ".join(f"{index} = {name}" for index, name in enumerate(spec.label_names[:_NAMES_SHOWN]))
    more = ", ..." if len(spec.label_names) > _NAMES_SHOWN else ""
    return (
        f"Likely its labels have another order than those of the data: check that id2label in its config.json ({shown}"
        f"{more}) says what its outputs mean, and --label-column."
    )

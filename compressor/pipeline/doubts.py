"""What makes the numbers of a run doubtful, found on the selection part before the run takes its time.

The run goes on: a teacher may be meant to be what it is, and the verdict compares with it.
"""

from compressor.pipeline.workbench import Workbench
from compressor.tasks.chance import chance_notes
from compressor.tasks.one_label import one_label_notes
from compressor.tasks.splits import SELECTION


def doubts(bench: Workbench) -> tuple[str, ...]:
    """Sentences for the report, said at once too."""
    targets, spec = bench.selection_targets, bench.data.spec
    notes = (
        *one_label_notes(SELECTION, targets.values[targets.counted], spec),
        *chance_notes(bench.selection_teacher, targets, spec, part=SELECTION),
    )
    for note in notes:
        bench.observer.note(note)
    return notes

"""A time budget that has no room for the least that works: the run goes on, and says which budget would have.

Fewer steps than the least teach nothing, fewer rows tell nothing, so they are taken whatever the budget is. How long
they take is known when the speed was measured.
"""

from compressor.records.units import format_seconds

# Of a longer budget about half comes to a training: what scores, races and later trainings take grows with it.
SHARE_OF_MORE = 0.5


def overdraft_notes(
    needed_s: float,
    left_s: float,
    *,
    share: float = 1.0,
    time_budget_s: float = float("inf"),
    what: str = "this training",
) -> tuple[str, ...]:
    """A sentence where a training, or something else, takes longer than there is time for; else none.

    Args:
        needed_s: Seconds that it takes.
        left_s: Seconds that the time budget leaves it; less than 0 where earlier stages overdrew it.
        share: Of the whole budget that it takes at most.
        time_budget_s: The whole budget.
        what: Takes so long.
    """
    if needed_s <= left_s:
        return ()
    longer_s = max((needed_s - left_s) / SHARE_OF_MORE, needed_s / share - time_budget_s)
    note = (
        f"the time budget is overdrawn: {what} takes about {format_seconds(needed_s)}, the least that works, "
        f"and {format_seconds(max(0.0, left_s))} are left for it; a --time-budget that is longer by "
        f"{format_seconds(longer_s)} would be enough"
    )
    return (note,)

"""Who is faster at the same accuracy: ours against what the peers make of the same weights."""

from collections.abc import Mapping

OURS = "ours: "
ALIKE_POINTS = 0.3  # what an engine may lose and still count as of the same accuracy

Numbers = Mapping[str, float]


def fastest_of_ours(ms: Numbers, accuracy: Numbers, least: float) -> float | None:
    """Milliseconds of our fastest engine that is that accurate; None = none is."""
    return min((ms[name] for name in ms if name.startswith(OURS) and accuracy.get(name, 0.0) >= least), default=None)


def speedup_over_best_peer(ms: Numbers, accuracy: Numbers, fp32: float) -> float | None:
    """Over every peer that is as accurate as the uncompressed model, up to a few tenths of a point: the least.

    Against each of them stands the fastest of ours that is as accurate as both that peer and the uncompressed model.

    Args:
        ms: Milliseconds by name.
        accuracy: Points by name.
        fp32: Points of the uncompressed model.

    Returns:
        None where there is no such peer, or nothing of ours to set against one.
    """
    least = fp32 - ALIKE_POINTS
    ratios: list[float] = []
    for name, reached in accuracy.items():
        if name.startswith(OURS) or name not in ms or reached < least:
            continue
        mine = fastest_of_ours(ms, accuracy, max(least, reached - ALIKE_POINTS))
        if mine is None:
            return None
        ratios.append(ms[name] / mine)
    return min(ratios, default=None)

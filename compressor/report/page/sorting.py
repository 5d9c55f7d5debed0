"""What the page sorts a cell by: its value, whatever unit it is written in."""

import re

# `1m15s`, `12.3 us`, `10.0 MB`, `5.0x`, `+1.2 %`, alone or in front of an interval: `89.5 (88 - 91)`, `3 - 17`.
_QUANTITY = re.compile(r"(?:(\d+)m)?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?) ?(us|ms|s|%|x|MB|/s|)(?= \(| - |$)")
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def sort_value(cell: str) -> float | None:
    """The number that a cell says, times in milliseconds; None = it is no quantity and sorts as text."""
    found = _QUANTITY.match(cell)
    if found is None:
        return None
    minutes, number, unit = found.groups()
    return (60 * int(minutes or 0) + float(number)) * _MILLISECONDS.get(unit, 1.0)

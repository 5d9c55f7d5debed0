"""Quantities as the user writes them (`1.5ms`, `20MB`, `30m`) to plain numbers, and back."""

import re

from compressor.errors import InputError

_MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _parse(text: str, units: dict[str, float], flag: str, example: str) -> float:
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-zµ%]*)\s*", text)
    known = ", ".join(units)
    if match is None or match[2] not in units:
        raise InputError(f"{flag}: expected a positive number with a unit ({known}), such as {example}; got {text!r}")
    value = float(match[1]) * units[match[2]]
    if value <= 0:
        raise InputError(f"{flag}: expected more than zero, such as {example}; got {text!r}")
    return value


def parse_milliseconds(text: str, flag: str = "--max-latency") -> float:
    """`1.5ms` -> 1.5, `200us` -> 0.2, `2s` -> 2000.0; the unit is required."""
    return _parse(text, _MILLISECONDS, flag, "5ms")


def parse_seconds(text: str, flag: str = "--time-budget") -> float:
    """`30m` -> 1800.0, `90s` -> 90.0; the unit is required."""
    return _parse(text, _SECONDS, flag, "30m")


def parse_bytes(text: str, flag: str = "--max-size") -> int:
    """`20MB` -> 20_000_000, `20MiB` -> 20_971_520; the unit is required."""
    return round(_parse(text, {k: float(v) for k, v in _BYTES.items()}, flag, "20MB"))


def parse_percent(text: str, flag: str) -> float:
    """`98%` -> 98.0; the sign is required.

    Raises:
        InputError: No such number, or more than 100 %.
    """
    value = _parse(text, {"%": 1.0}, flag, "98%")
    if value > 100:
        raise InputError(f"{flag}: expected at most 100%, got {text!r}")
    return value


def format_ms(milliseconds: float) -> str:
    """Milliseconds with three significant digits: `0.0123 ms` is `12.3 us`."""
    if milliseconds < 0.1:
        return f"{milliseconds * 1e3:.3g} us"
    if milliseconds >= 999.5:  # `g` would switch to an exponent
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds:.3g} ms"


def format_bytes(count: int) -> str:
    """Bytes in decimal megabytes, as disks and stores count them."""
    return f"{count / 1e6:.1f} MB"


def format_seconds(seconds: float) -> str:
    """`75.2` -> `1m15s`, `8.04` -> `8.0s`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s"
